"""Every path that a user types means what it means in the shell, wherever the work runs."""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from dawn.weights import folders
from pipeline.cli.app import app
from pipeline.evaluate.inputs import reference_name
from pipeline.generate.items import list_items

TEXT = (str, Path, str | None, Path | None, list[str], list[Path], list[str] | None)
NO_PATHS = {
    "train": {"stage", "preset", "source", "change", "curriculum", "address"},
    "ingest": {"address", "device"},
    "evaluate": {"baseline", "metrics", "system", "trust_weights", "address", "device", "changes"},
    "query": {"sql", "output"},
    "generate": {"split", "baseline", "system", "address", "method", "pose", "blink", "device",
                 "dtype", "noise"},
    "serve": {"host", "device", "dtype"},
    "view": {"device"},
    "leaderboard": {"title", "gallery_metric", "by", "hub_dataset"},
    "regress": {"report"},
    "regress accept": {"reason"},
    "eval-checkpoint": {"split", "metrics", "system", "report", "address", "device"},
    "checkpoint import": {"size", "face_mask_encoder"},
    "dataset card": {"name"},
    "dataset export": {"split"},
    "dataset filter": {"where"},
    "dataset forget": {"speaker", "video", "clip"},
    "dataset sheet": {"where"},
    "config template": {"command", "preset"},
    "config schema": {"command"},
    "config validate": {"command"},
    "weights fetch": {"names", "purposes"},
    "vote make": {"title", "questions"},
    "vote serve": {"host"},
    "dataset stratify": {"by", "split"},
    "weights verify": {"names"},
    "lineage": {"output"},
    "plan": {"address", "device"},
    # the words of a command, which runs in the user's own directory
    "bench-system": {"command", "system", "seconds", "device"},
}  # fmt: skip
"""Text that names no place."""
READ_BY_THE_COMMAND = {
    "evaluate": {"protocol"},  # a card's name, or a file
    "leaderboard": {"protocol", "results"},  # the page names results as they were typed
}
"""Places that only the command itself looks at, which never changes its directory."""


def commands(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for key, command in getattr(group, "commands", {}).items():
        whole = f"{name} {key}".strip()
        yield whole, command
        yield from commands(command, whole)


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", ALL)
def test_every_text_of_a_command_is_a_place_or_known_to_be_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new option of text must be one or the other: a path that nobody makes absolute fails."""
    monkeypatch.chdir(tmp_path)
    command = ALL[name]
    if command.callback is None:
        return
    hints = get_type_hints(inspect.unwrap(command.callback))
    text = {param.name for param in command.params if hints.get(param.name) in TEXT}
    words: list[str] = []
    for param in command.params:
        if param.name in text and param.param_type_name == "option":
            words += [param.opts[0], "x/y"]
        elif param.required and param.param_type_name == "option":
            words += [param.opts[0], "3"]
    words += ["x/y" for param in command.params if param.param_type_name == "argument"]
    given = command.make_context(name, words).params
    typed = NO_PATHS.get(name, set()) | READ_BY_THE_COMMAND.get(name, set())
    assert typed <= text
    for key in text:
        values = given[key] if isinstance(given[key], list | tuple) else [given[key]]
        meant = "x/y" if key in typed else str(tmp_path / "x/y")
        assert [str(value) for value in values] == [meant], f"dawn {name}: {key}"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("demo", "demo"),
        ("leaderboard", "leaderboard"),
        ("dataset card", "dataset-card"),
        ("dataset sheet", "dataset-sheet"),
    ],
)
def test_a_path_that_is_not_given_is_absolute_too(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [] if name == "demo" else ["results"]
    assert ALL[name].make_context(name, words).params["out"] in (
        tmp_path / folder,
        str(tmp_path / folder),
    )


def test_weights_are_found_from_wherever_work_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAWN_WEIGHTS", "w:/other")
    assert CliRunner().invoke(app, ["weights", "list"]).exit_code == 0
    monkeypatch.chdir("/")
    assert os.environ["DAWN_WEIGHTS"] == f"{tmp_path}/w:/other"
    assert folders() == (tmp_path / "w", Path("/other"))


def test_a_list_s_pairs_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/jobs.csv").write_text("image,audio\n../a.png,b.wav\n/c.png,/d.wav\n")
    monkeypatch.chdir(tmp_path)
    pairs = [(item.image, item.audio) for item in list_items(Path("lists/jobs.csv"))]
    assert pairs == [(f"{tmp_path}/a.png", f"{tmp_path}/lists/b.wav"), ("/c.png", "/d.wav")]


def test_results_call_their_reference_the_same_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else going on from another directory would look like another reference."""
    (tmp_path / "data/deep").mkdir(parents=True)
    for folder, typed in (("", "data:test"), ("data", ".:test"), ("data/deep", "../../data/:test")):
        monkeypatch.chdir(tmp_path / folder)
        assert reference_name(typed) == "data:test"
    assert reference_name(str(tmp_path / "real")) == "real"
    assert reference_name("s3://bucket/data:test") == "s3://bucket/data:test"
