"""Tiles give what the whole matrix gives."""

from typing import Any

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from dawn.curation import linkage
from dawn.curation.linkage import near_kinds, single_linkage
from dawn.curation.numbered import Numbered
from dawn.curation.splits import EXCLUDED, Centres, Identities, SplitConfig, assign, units


def crowd(people: int, each: int, seed: int = 0, spread: float = 0.06) -> linkage.Vectors:
    """Unit vectors around `people` directions, some of them bridged by a vector between two."""
    rng = np.random.default_rng(seed)
    centres = units(rng.standard_normal((people, 64)).astype(np.float32))
    faces = np.repeat(centres, each, 0) + spread * rng.standard_normal((people * each, 64))
    bridged = centres[: min(6, people // 2 * 2)]
    bridges = bridged[::2] + bridged[1::2]
    return units(np.concatenate([faces, bridges]).astype(np.float32)[rng.permutation(len(faces))])


@pytest.mark.parametrize(("tile", "edges"), [(2048, 4_000_000), (7, 20), (64, 0)])
@pytest.mark.parametrize(("people", "each"), [(60, 3), (2, 90), (150, 1)])
def test_clusters_are_those_of_all_pairs(
    tile: int, edges: int, people: int, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linkage, "TILE", tile)
    monkeypatch.setattr(linkage, "_EDGES", edges)
    vectors = crowd(people, each)
    found = single_linkage(vectors, 0.5)
    count, wanted = connected_components(vectors @ vectors.T >= 0.5, directed=False)
    assert count > 1
    assert len({*zip(found, wanted, strict=True)}) == count == len({*found})


@pytest.mark.parametrize("tile", [2048, 7])
def test_what_is_near_is_that_of_all_pairs(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkage, "TILE", tile)
    vectors, others = crowd(40, 2), crowd(20, 3)[::-1]
    kinds = np.arange(len(others)) % 4
    first, which = near_kinds(vectors, others, kinds, 0.5)
    near = vectors @ others.T >= 0.5
    assert near.any()
    assert not near.any(1).all()
    assert np.array_equal(first, np.where(near.any(1), near.argmax(1), -1))
    for kind in range(4):
        assert np.array_equal(which[:, kind], near[:, kinds == kind].any(1))
    nobody = near_kinds(vectors, others[:0], kinds[:0], 0.5)
    assert (nobody[0] == -1).all()
    assert not nobody[1].any()


def test_centres_are_the_directions_of_means() -> None:
    faces, identities = crowd(30, 5), Numbered()
    centres = Centres(identities)
    names = [f"face:{i * 7 % 30}" for i in range(len(faces))]
    for name, face in zip(names, faces, strict=True):
        centres.add(name, face)
    numbers, vectors = centres.sorted()
    found = [identities[number] for number in numbers]
    assert found == sorted({*names})
    for name, vector in zip(found, vectors[:], strict=True):
        mean = np.mean([f for f, n in zip(faces, names, strict=True) if n == name], axis=0)
        assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_an_append_holds_new_faces_against_all_but_not_all_against_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a new group costs grows with the people, not with their pairs."""
    sizes: list[tuple[int, int]] = []

    def noted(vectors: linkage.Vectors, others: linkage.Vectors, *rest: Any) -> object:
        sizes.append((len(vectors), len(others)))
        return near_kinds(vectors, others, *rest)

    monkeypatch.setattr("dawn.curation.splits.near_kinds", noted)
    known = Identities()
    for i, face in enumerate(crowd(300, 1, spread=0.0)):
        known.add(f"face:{i:04d}", "train", face.tolist())
    clips = [
        {"clip_id": f"n{i}", "video_id": f"v{i}", "speaker": None, "embedding": face.tolist(),
         "asked_split": None, "source_name": "n"}
        for i, face in enumerate(crowd(5, 2, seed=1))
    ]  # fmt: skip
    assign(clips, known, SplitConfig())
    assert sizes == [(10, 300)]
    assert len({clip["identity"] for clip in clips}) <= 10


def test_somebody_with_clips_in_two_splits_is_noticed() -> None:
    people = Identities()
    people.add("speaker:a", "train", None)
    people.add("speaker:b", "test", None, settled=False)
    people.add("speaker:b", EXCLUDED, None)
    assert not people.any_divided()
    people.add("speaker:a", "val", None, settled=False)
    assert people.any_divided()
    people.drop("speaker:a", "train", None)
    assert not people.any_divided()


def test_somebody_whose_clips_are_all_excluded_has_a_face_and_no_split() -> None:
    people, face = Identities(), [1.0] * 4
    for number in range(2000):  # more than there is room for at first
        people.add(f"face:{number:04d}", EXCLUDED, face)
    people.add("face:one", "val", face)
    numbers, centres = people.faces.sorted()
    assert [people.name(number) for number in numbers[[0, 1999, 2000]]] == [
        "face:0000", "face:1999", "face:one",
    ]  # fmt: skip
    assert len(centres) == 2001
    assert people.split_of("face:0001") is None
    found = people.numbered_splits(numbers[-2:])
    assert found[0] != found[1]
