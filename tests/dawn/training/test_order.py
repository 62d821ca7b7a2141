"""The order of samples: a function of seed and number, not of workers or restarts."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from dawn.training.clips import ClipError, ClipRow
from dawn.training.order import MicroBatches, Samples, clip_number

CLIPS = [ClipRow(f"c{i}", 10, 8, "v", "f", "a") for i in range(7)]


def make(reader: Any, clip: ClipRow, own: np.random.Generator, shared: np.random.Generator) -> Any:
    if clip.clip_id == "c3":
        raise ClipError("is broken")
    return {"clip": clip.clip_id, "own": own.random(), "shared": shared.random()}


def samples(batch: int = 4) -> Samples:
    return Samples(CLIPS, make, 5, batch, None)  # type: ignore[arg-type]


def test_an_epoch_holds_each_clip_once_and_the_next_another_order() -> None:
    first = [clip_number(0, n, 50) for n in range(50)]
    second = [clip_number(0, n, 50) for n in range(50, 100)]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first != [clip_number(1, n, 50) for n in range(50)]


def test_a_sample_depends_on_its_number_alone() -> None:
    forwards = [samples()[n] for n in range(30)]
    backwards = [samples()[n] for n in reversed(range(30))][::-1]
    assert forwards == backwards
    assert len({sample["own"] for sample in forwards}) == 30


def test_a_batch_shares_its_draw_and_no_other_batch_has_it() -> None:
    shared = [samples(batch=4)[n]["shared"] for n in range(12)]
    assert Counter(shared).most_common(1)[0][1] == 4
    assert [len(set(shared[k : k + 4])) for k in (0, 4, 8)] == [1, 1, 1]


def test_a_broken_clip_is_named_and_the_next_one_taken() -> None:
    met = [samples()[n] for n in range(14)]
    assert all(sample["clip"] != "c3" for sample in met)
    named = [line for sample in met for line in sample["bad"]]
    assert named == ["c3: is broken"] * len(named)
    assert len(named) >= 2


def test_clips_that_are_all_broken_are_an_error() -> None:
    alone = Samples(CLIPS[3:4], make, 0, 4, None)  # type: ignore[arg-type]
    with pytest.raises(ClipError, match="20 clips in a row"):
        alone[0]


@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (2, 1), (1, 3), (2, 3), (4, 1)])
def test_workers_and_parts_cover_the_same_samples(world: int, accumulate: int) -> None:
    ranks = [list(MicroBatches(2, 5, 12, accumulate, rank, world)) for rank in range(world)]
    for step in range(3):
        covered = [
            number
            for part in range(accumulate)
            for rank in range(world)
            for number in ranks[rank][step * accumulate + part]
        ]
        assert covered == list(range((2 + step) * 12, (3 + step) * 12))


def test_going_on_gives_what_would_have_come() -> None:
    whole = list(MicroBatches(0, 10, 4, 2, 0, 1))
    assert list(MicroBatches(6, 10, 4, 2, 0, 1)) == whole[12:]


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="batch 5"):
        MicroBatches(0, 1, 5, 1, 0, 2)
