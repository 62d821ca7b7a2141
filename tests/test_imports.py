"""Imports go one way, heavy libraries stay where they belong, help is quick."""

import ast
import subprocess
import sys
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


def test_help_is_quick_for_it_loads_little() -> None:
    """330 modules when this was written, in 0.4 s of processor time; PyTorch alone is 1500."""
    code = """if True:
        import atexit, sys
        atexit.register(lambda: print(*sys.modules, file=sys.stderr))
        sys.argv = ["dawn", "--help"]
        from pipeline.cli import main
        main()
    """
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Usage" in answer.stdout
    loaded = set(answer.stderr.split())
    heavy = {"torch", "ray", "mediapipe", "cv2", "pandas", "pyarrow", "duckdb", "scipy", "av"}
    assert "typer" in loaded
    assert not (heavy | {"numpy"}) & loaded
    assert len(loaded) < 450


@pytest.mark.parametrize("package", ORDER)
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
