"""Imports go one way, heavy libraries stay where they belong, help is quick."""

import ast
import graphlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from dawn.a2v.config import A2V_TINY
from dawn.features.sync.package import syncnet_parts
from dawn.lfg.config import LFG_TINY
from tests.manifests.rows import add, written
from tests.models import PBNET_MEL, write_network
from tests.results_folders import write_results

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


def module_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


def imports_of(path: Path) -> set[tuple[str, ...]]:
    """The modules of ours that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ORDER:
            for alias in node.names:
                inner = (*node.module.split("."), alias.name)
                is_module = (ROOT / Path(*inner)).with_suffix(".py").exists()
                found.add(inner if is_module else inner[:-1])
    return found


def rooms() -> dict[tuple[str, ...], dict[str, set[str]]]:
    """Of each package: which of its modules and packages imports which of its others."""
    found: dict[tuple[str, ...], dict[str, set[str]]] = {}
    for path in (path for package in ORDER for path in (ROOT / package).rglob("*.py")):
        for target in imports_of(path):
            ours = module_of(path)
            pairs = zip(ours, target, strict=False)
            shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
            if 0 < shared < min(len(ours), len(target)):
                room = found.setdefault(ours[:shared], {})
                room.setdefault(ours[shared], set()).add(target[shared])
    return found


def test_imports_inside_a_package_go_one_way_too() -> None:
    """No two modules of a package need each other, nor two packages, by any way round."""
    assert rooms()["pipeline",]["cli"] >= {"ingest", "train", "evaluate"}
    for place, imports in rooms().items():
        sorter = graphlib.TopologicalSorter(imports)
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            raise AssertionError(f"{'.'.join(place)}: {' -> '.join(error.args[1])}") from error
    assert len(rooms()) > 15


def test_help_is_quick_for_it_loads_little() -> None:
    """330 modules when this was written, in 0.4 s of processor time; PyTorch alone is 1500."""
    code = """if True:
        import atexit, sys
        atexit.register(lambda: print(*sys.modules, file=sys.stderr))
        sys.argv = ["dawn", "--help"]
        from pipeline.cli.app import main
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
    assert len(loaded) < 500


def test_commands_on_results_and_rows_load_no_pytorch(tmp_path: Path) -> None:
    """It takes seconds to load, and only networks need it; nor do they start Ray."""
    for name in ("a", "b"):
        write_results(tmp_path / name, {"psnr": [20.0, 21.0, 22.0]}, system=name)
    (tmp_path / "gate.yaml").write_text(
        "name: g\nmin_clips: 2\ngates: [{metric: psnr, margin: 1}]\n"
    )
    with written(str(tmp_path / "d")) as session:
        add(session, "v")
    code = """if True:
        import sys
        from pipeline.cli.app import main
        folder = sys.argv[1]
        a, b = f"{folder}/a", f"{folder}/b"
        for arguments in (
            ["leaderboard", a, b, "--out", f"{folder}/page"],
            ["regress", "--baseline", a, "--candidate", b, "--gate", f"{folder}/gate.yaml"],
            ["weights", "list"],
            ["lineage", a],
            ["dataset", "forget", f"{folder}/d", "--video", "v", "--runs", folder],
            ["dataset", "compact", f"{folder}/d"],
            ["query", "FROM clips", "--dataset", f"{folder}/d"],
        ):
            sys.argv = ["dawn", *arguments]
            try:
                main()
            except SystemExit as exit_:
                assert exit_.code in (0, None), arguments
        import pipeline.dataset.card
        import pipeline.dataset.sheet
        print(*sys.modules, file=sys.stderr)
    """
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "PASS" in answer.stdout
    loaded = set(answer.stderr.splitlines()[-1].split())
    assert "eval.metrics.catalogue" in loaded
    assert not {"torch", "ray", "mediapipe", "onnxruntime"} & loaded


def test_a_checkpoint_and_a_face_load_neither_a_compiler_nor_plots(tmp_path: Path) -> None:
    """PyTorch's compiler takes as long to import as PyTorch, plots half as long as MediaPipe."""
    for stage, config in {"lfg": LFG_TINY, "pbnet": PBNET_MEL, "a2v": A2V_TINY}.items():
        write_network(tmp_path, stage, config)
    code = """if True:
        import sys
        from pathlib import Path
        from dawn.checkpoints import load_network
        from dawn.features.faces.landmarks import mediapipe_solutions
        for stage in ("lfg", "pbnet", "a2v"):
            load_network(Path(sys.argv[1]), stage)
        drawing = mediapipe_solutions().drawing_utils
        print(*sys.modules)
        import matplotlib.pyplot
        assert drawing.plt.figure is matplotlib.pyplot.figure  # whoever draws still can
    """
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-2000:]
    loaded = set(answer.stdout.split())
    assert {"torch", "mediapipe"} <= loaded
    assert not {"torch._dynamo", "sympy", "triton", "matplotlib.pyplot", "sounddevice"} & loaded


@pytest.mark.parametrize("package", ORDER)
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


LOOKS = {"ldconfig", "gcc", "cc", "ld", "objdump", "lscpu"}
"""By these ctypes and NumPy look for libraries and the processor's kind; none reads its input."""

WATCHED = """
import os, sys

started = []
STARTS = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "os.fork", "os.forkpty")


def note(event, args):
    if event in STARTS:
        started.append(os.path.basename(str(args[0])) if args else event)


sys.addaudithook(note)

from dawn.torchvision_import import prepare_torchvision

prepare_torchvision()
for statement in sys.argv[1:]:
    exec(statement)
    for program in started:
        print(program, "by", " ".join(statement.split()))
    started.clear()
"""


class Imports(ast.NodeVisitor):
    """Collects a file's import statements, with the `with` that some are made in."""

    def __init__(self) -> None:
        self.statements: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        self.statements.add(ast.unparse(node))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.statements.add(ast.unparse(node))

    def visit_With(self, node: ast.With) -> None:
        if all(isinstance(part, ast.Import | ast.ImportFrom) for part in node.body):
            self.statements.add(ast.unparse(node))
        else:
            self.generic_visit(node)


@pytest.mark.slow
def test_imports_start_no_program_but_to_look_at_the_machine() -> None:
    """A program that an import starts may touch the terminal, and a worker that has one stops."""
    found = Imports()
    for path in (path for package in ORDER for path in (ROOT / package).rglob("*.py")):
        found.statements.add(f"import {'.'.join(path.relative_to(ROOT).with_suffix('').parts)}")
        found.visit(ast.parse(path.read_text()))
    assert "import cv2" in found.statements
    assert sum("syncnet_python" in statement for statement in found.statements) == 2
    answer = subprocess.run(
        [sys.executable, "-c", WATCHED, *sorted(found.statements)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-2000:]
    programs = [line for line in answer.stdout.splitlines() if " by " in line]
    assert [line for line in programs if line.split()[0] not in LOOKS] == []


def test_the_rest_of_syncnet_python_can_be_imported_after_its_parts() -> None:
    before = sys.modules.pop("syncnet_python", None)
    with syncnet_parts():
        from syncnet_python.SyncNetModel import S
    assert "syncnet_python" not in sys.modules
    if before is not None:
        sys.modules["syncnet_python"] = before
    assert S.__module__ == "syncnet_python.SyncNetModel"
