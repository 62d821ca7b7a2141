"""`dawn demo` leaves other people's folders alone. tests/test_demo.py runs the whole of it."""

from pathlib import Path

import pytest

from manifests.errors import InputError
from pipeline.demo.run import run_demo


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="is not empty"):
        run_demo(tmp_path, workers=1)
