"""Imports go one way, heavy libraries stay where they belong, and help is quick."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = {"manifests": 0, "dawn": 1, "eval": 2, "pipeline": 3}
ONLY_IN_PIPELINE = {"ray", "typer"}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_imports_go_one_way() -> None:
    files = [path for package in ORDER for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 50
    for path in files:
        package = path.relative_to(ROOT).parts[0]
        for name in imported(path):
            assert ORDER.get(name, -1) <= ORDER[package], f"{path} imports {name}"
            assert name not in ONLY_IN_PIPELINE or package == "pipeline", f"{path} imports {name}"


def test_the_command_line_starts_without_heavy_libraries() -> None:
    code = "import sys, pipeline.cli; print(' '.join(m for m in sys.modules if '.' not in m))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "ray", "mediapipe", "cv2", "pandas", "pyarrow", "duckdb", "scipy", "av"}
    assert not heavy & set(answer.stdout.split())


def test_help_answers_in_under_0_7_seconds() -> None:
    times = []
    for _ in range(5):  # the best of several: the machine may be busy with something else
        begin = time.perf_counter()
        command = [sys.executable, "-m", "pipeline.cli", "--help"]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.7


@pytest.mark.parametrize("package", ORDER)
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
