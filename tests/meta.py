"""Tensors without values: shapes, devices and what is kept, of networks too large to compute."""

import contextlib
from typing import Any

import pytest
import torch


@pytest.fixture
def no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets networks run on the device `meta`, which PyTorch's autocast does not know."""
    plain = torch.autocast

    def autocast(device_type: str, *args: Any, **kwargs: Any) -> contextlib.AbstractContextManager:
        if device_type == "meta":
            return contextlib.nullcontext()
        return plain(device_type, *args, **kwargs)

    monkeypatch.setattr(torch, "autocast", autocast)
