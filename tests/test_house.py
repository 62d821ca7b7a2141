"""What a newcomer reads must be true: files, commands and examples in the documents exist."""

import re
from pathlib import Path

import pytest
import yaml

from dawn.recipe import IngestConfig
from manifests.catalog import query
from manifests.config import load
from manifests.store import Dataset
from tests.conftest import Dawn

ROOT = Path(__file__).parents[1]
PACKAGES = ("manifests", "dawn", "eval", "pipeline")


def test_what_the_dockerfile_copies_and_calls_exists() -> None:
    text = (ROOT / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", text, re.M) for name in line.split()]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
    project = (ROOT / "pyproject.toml").read_text()
    (entry,) = re.findall(r'^ENTRYPOINT \["(\w+)"\]', text, re.M)
    assert f'\n{entry} = "pipeline.cli.app:main"' in project
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", text)
    for extra in extras.split(","):
        assert re.search(rf"^{extra} = \[", project, re.M), extra
    (torch,) = re.findall(r"torch==[\d.]+", text)
    assert f'"{torch}"' in project
    assert text.index("USER dawn") < text.index("ENTRYPOINT")
    packages = re.search(r"include = \[(.+)\]", project)
    assert packages
    for package in re.findall(r'"(\w+)\*"', packages[1]):
        assert package in copied, package


def test_ci_runs_the_readme_s_test_command() -> None:
    assert "make test" in (ROOT / ".ci/run").read_text().splitlines()
    assert (ROOT / ".ci/run").stat().st_mode & 0o100
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make (\w+)`?", (ROOT / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.M), target


@pytest.mark.parametrize(
    "command",
    [(), ("demo",), ("ingest",), ("generate",), ("serve",), ("view",), ("query",), ("dataset",),
     ("dataset", "info"),
     ("dataset", "validate"), ("dataset", "compact"), ("dataset", "export"), ("dataset", "card"),
     ("dataset", "sheet"), ("dataset", "forget"),
     ("dataset", "filter"), ("dataset", "merge"), ("dataset", "compare"),
     ("checkpoint", "import"), ("checkpoint", "info"), ("evaluate",),
     ("metrics",), ("leaderboard",), ("bench-system",), ("verify",), ("lineage",),
     ("weights", "list"),
     ("weights", "fetch"), ("weights", "verify")],
    ids=" ".join,
)  # fmt: skip
def test_every_command_explains_itself(command: tuple[str, ...], dawn: Dawn) -> None:
    answer = dawn(*command, "--help")
    assert answer.returncode == 0
    if command and command != ("dataset",):
        assert "Example:" in answer.stdout


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_documents_that_the_code_points_to_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    pointers = 0
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        text = path.read_text()
        for document in re.findall(r"\bdocs/\w+\.md", text):
            assert (ROOT / document).exists(), f"{path}: {document}"
            pointers += 1
        for section in re.findall(r"README,? \W*([A-Z]\w+)", text):
            assert re.search(rf"^## {section}", readme, re.M), f"{path}: README, {section}"
    assert pointers > 5


def test_the_settings_in_the_documents_load() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ingest.md").read_text(), re.S)
    config = load(IngestConfig, yaml.safe_load(example))
    assert config.extract.crop.size == 128
    assert config.filters.max_duplicate is None


def test_the_queries_in_the_documents_run(dataset: Dataset) -> None:
    found = []
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        found += re.findall(r'dawn query "([^"]+)"', document.read_text())
    assert len(found) >= 4
    for sql in found:
        query(dataset, sql)


def test_a_user_error_is_one_line_and_exit_2(dawn: Dawn, tmp_path: Path) -> None:
    for arguments in (
        ("query", "SELECT 1", "--dataset", str(tmp_path / "none")),
        ("ingest", str(tmp_path / "none.mp4"), "--dataset", str(tmp_path / "d")),
        ("dataset", "info", str(tmp_path)),
        ("checkpoint", "info", str(tmp_path / "none")),
        ("evaluate", "--videos", str(tmp_path), "--reference", str(tmp_path), "--out", "x"),
        ("weights", "fetch", "none"),
    ):
        answer = dawn(*arguments)
        assert answer.returncode == 2
        assert answer.stderr.count("\n") == 1
        assert answer.stderr.startswith("error: ")


def test_validate_answers_with_its_exit_code(dawn: Dawn, dataset: Dataset) -> None:
    answer = dawn("dataset", "validate", dataset.path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "every invariant holds" in answer.stdout


def test_dry_run_writes_nothing(dawn: Dawn, footage: Path, tmp_path: Path) -> None:
    answer = dawn("ingest", str(footage), "--dataset", str(tmp_path / "d"), "--dry-run")
    assert answer.returncode == 0, answer.stderr
    assert "11 sources, 2 of them cannot be opened" in answer.stdout
    assert not (tmp_path / "d").exists()
