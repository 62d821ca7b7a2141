"""Batches come in order, one ahead, and loader processes end with them."""

import atexit
from pathlib import Path
from typing import Any

import pytest
import torch

from dawn.training.batches import Batches
from dawn.training.order import MicroBatches, Sample, Samples

COUNT = 5


class Counted(Samples):
    """Sample `n` says so."""

    def __init__(self, ends: Path | None = None) -> None:
        self.ends = ends

    def __getitem__(self, number: int) -> Sample:
        return {"n": torch.tensor(number), "bad": (f"clip {number}",) if number == 3 else ()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In a loader process."""
        self.__dict__ |= state
        if self.ends is not None:
            atexit.register(self.ends.touch)


def batches_of(samples: Samples, workers: int) -> Batches:
    order = MicroBatches(0, COUNT, 2, 1, 0, 1)
    return Batches(samples, order, workers, "cpu", lambda batch: {"n": batch["n"] * 10})


def test_they_are_prepared_and_one_is_fetched_ahead() -> None:
    with batches_of(Counted(), 0) as batches:
        first = next(batches)
        assert first.values["n"].tolist() == [0, 10]
        batches.fetch()
        waited = batches.waited
        second = next(batches)
        assert batches.waited == waited  # it was there
        assert second.values["n"].tolist() == [20, 30]
        assert second.bad == ((), ("clip 3",))
        assert [batch.values["n"].tolist() for batch in batches] == [[40, 50], [60, 70], [80, 90]]


def test_loader_processes_end_and_do_not_take_the_interpreter_apart(tmp_path: Path) -> None:
    """Whose end stops the thread that sends batches inside PyTorch, which then calls `abort`."""
    processes: list[Any] = []

    def stops_early() -> None:
        with batches_of(Counted(tmp_path / "end"), 1) as batches:
            assert next(batches).values["n"].tolist() == [0, 10]
            processes.extend(batches._loaded._workers)  # type: ignore[attr-defined]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stops_early()
    (process,) = processes
    assert process.exitcode == 0
    assert not (tmp_path / "end").exists()
