"""The notebooks in docs/notebooks run from their first cell to their last."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dawn.synthetic.footage import write_footage
from manifests.store import Dataset
from tests.conftest import ROOT
from tests.models import write_model

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


def test_there_are_notebooks_without_stored_output() -> None:
    assert len(NOTEBOOKS) >= 2
    for path in NOTEBOOKS:
        assert '"output_type"' not in path.read_text(), f"{path.name}: clear its output"


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, dataset: Dataset, tmp_path: Path) -> None:
    """Beside a dataset and a model (of random weights), which it would otherwise make."""
    shutil.copy(notebook, tmp_path)
    shutil.copytree(dataset.path, tmp_path / "data")
    write_model(tmp_path / "run/model")
    (tmp_path / "footage").mkdir()
    write_footage(tmp_path / "footage", kinds=["plain"], seconds=2.4)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull,
         "--rootdir", tmp_path, "--nbmake", tmp_path / notebook.name],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-1000:]
    assert "1 passed" in answer.stdout
