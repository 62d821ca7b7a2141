"""Packed lists of an index answer as plain lists do, whatever was packed when."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.curation.duplicates import KeptFootage
from dawn.features.video import postings
from dawn.features.video.postings import PLACE_BITS, Postings
from tests.dawn.curation.test_duplicates import COPIES, THRESHOLD, footage

CLIP = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 70_000)), max_size=5)


@pytest.mark.parametrize(("newest", "most"), [(1, 1), (1, 8), (2, 4), (3, 99)])
@settings(max_examples=40, deadline=None)
@given(clips=st.lists(CLIP, max_size=30), asked=st.lists(st.integers(0, 9), max_size=12))
def test_entries_are_those_of_plain_lists(
    newest: int, most: int, clips: list[list[tuple[int, int]]], asked: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "_NEWEST", newest)
        patch.setattr(postings, "_MOST", most)
        packed, plain = Postings(10), defaultdict(list)
        for number, clip in enumerate(clips):
            packed.add([key for key, _ in clip], [place for _, place in clip])
            for key, place in clip:
                plain[key].append(number << PLACE_BITS | place)
    keys = np.array(asked, np.int64)
    found: dict[int, list[int]] = defaultdict(list)
    for which, entries in packed.find(keys):
        for at, entry in zip(which.tolist(), entries.tolist(), strict=True):
            found[at].append(entry)
    assert [found[at] for at in range(len(asked))] == [plain[key] for key in asked]
    assert packed.counts(keys).tolist() == [len(plain[key]) for key in asked]


@pytest.mark.parametrize("compared", [256, 8])
def test_kept_footage_answers_alike_packed_and_not(
    compared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = [footage(k, face=k % 3, frames=60 + 7 * k) for k in range(40)]
    queries = [
        footage(k, face=k % 3, frames=60 + 7 * k, **how) for k, how in enumerate(COPIES.values())
    ]
    answers = []
    for newest, most in ((2048, 65536), (1, 1), (4, 16)):
        monkeypatch.setattr(postings, "_NEWEST", newest)
        monkeypatch.setattr(postings, "_MOST", most)
        kept = KeptFootage(compared)
        for take in takes:
            kept.add(take)
        kept.forget(take["clip_id"] for take in takes[2:40:9])
        answers.append([kept.most_similar(query) for query in queries])
    assert answers[0] == answers[1] == answers[2]
    assert any(score > THRESHOLD for _, score in answers[0])
