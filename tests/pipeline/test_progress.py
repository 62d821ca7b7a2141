"""The one progress display: a bar that moves on a terminal, lines with counts elsewhere."""

import io

import pytest
from rich.console import Console

from pipeline import progress
from pipeline.progress import Progress


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds pass between any two looks."""
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(ticks)))


def lines(shown: Progress, output: Console) -> list[str]:
    with shown:
        shown.counts["already done"] = 1
        shown.count("ok", 30)
        shown.count("failed", 30)
    assert isinstance(output.file, io.StringIO)
    return output.file.getvalue().splitlines()


def test_lines_say_how_far_it_is_and_how_long_it_takes() -> None:
    output = Console(file=io.StringIO(), width=200)
    assert lines(Progress("make", 120, items=4, output=output), output) == [
        "make  25%: 1 already done, 1 ok, 2 to go, about 30 s left",
        "make  50%: 1 already done, 1 failed, 1 ok, 1 to go, about 20 s left",
    ]


def test_a_bar_has_the_same_counts_and_markup_in_names_does_no_harm() -> None:
    output = Console(file=io.StringIO(), width=200, force_terminal=True)
    shown = Progress("make", 60, describe=lambda _: "clip [/bold] of two", output=output)
    with shown:
        shown.reach(60)
    assert isinstance(output.file, io.StringIO)
    text = output.file.getvalue()
    assert "clip [/bold] of two" in text
    assert "100%" in text
