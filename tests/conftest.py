"""What all tests share: the material beside the checkout, and one thread per test process."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real footage and weights beside the checkout; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs real footage and weights in {SHARED}")
    return SHARED
