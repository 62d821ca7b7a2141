"""Commands that are killed at a change to files."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class KilledError(BaseException):
    """Stands in for a kill: no `except Exception` catches it."""


@contextmanager
def killed_before(at: int | None) -> Iterator[list[str]]:
    """Every change to files is counted, and the n-th and all later ones are not made."""
    made: list[str] = []

    def deadly(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **options: Any) -> Any:
            made.append(name)
            if at is not None and len(made) >= at:
                raise KilledError
            return change(*arguments, **options)

        return changed

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "rename", "remove", "unlink", "rmdir", "mkdir"):
            patch.setattr(os, name, deadly(name, getattr(os, name)))
        yield made
