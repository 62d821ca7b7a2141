"""Who is seen, and in which split: nobody is in two.

A clip's identity is the speaker its source list names, else the cluster of its face embedding,
else its source video. The split follows from a hash of the identity, so that adding footage
never moves a clip that is there. Lists and conventions may ask for another; where they ask for two
of one person, what is in the dataset holds, then what is held out (test, then val). A clip that
asks for another split than its person's, or whose face would join two identities of different
splits, is `divided`: it is `excluded`, because it would leak one into the other.
"""

import hashlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dawn.curation.conventions import crema_d_split, hdtf_split
from dawn.curation.linkage import Vectors, near_kinds, single_linkage
from dawn.curation.numbered import InOrder, Numbered
from manifests.names import normalised

EXCLUDED = "excluded"
_HELD_OUT_FIRST = ("test", "val", "train")
_BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """How clips are divided."""

    convention: Literal["hash", "hdtf", "crema-d"] = "hash"
    """`hdtf` and `crema-d` follow DAWN's lists, by file name; what they do not name is hashed."""
    val: float = 0.05
    test: float = 0.05
    salt: str = "dawn"
    """Another word gives another division."""
    same_face: float = 0.5
    """Cosine from which two embeddings are one person (MobileFaceNet: own clips measured above
    0.7, others below 0.3)."""
    on_conflict: Literal["refuse", "exclude"] = "refuse"
    """When lists or the convention ask for two splits of one person: ingest nothing and name the
    rows, or keep the held-out split (test, then val) and exclude what asks for another."""

    def __post_init__(self) -> None:
        if not (self.val >= 0 and self.test >= 0 and self.val + self.test < 1):
            raise ValueError(f"val {self.val} and test {self.test} must leave a share for train")


class Centres:
    """The mean embedding of each face cluster, kept as sums, so that one more face costs the same
    however many there are. Clusters without faces are no more.
    """

    def __init__(self, identities: Numbered) -> None:
        """`identities` numbers others than these too."""
        self._identities, self._order = identities, InOrder(identities)
        self._rows = array("i")
        """By an identity's number: where its sum is, or -1."""
        self._sums: list[Vectors] = []
        """Blocks of clusters: growing copies none of them."""
        self._counts: list[NDArray[np.float32]] = []

    def add(self, identity: str, embedding: NDArray[np.float32], times: int = 1) -> None:
        """Count one more face, (d,), to an identity, or, -1 times, one less."""
        number = self._identities.add(identity)
        self._rows.extend([-1] * (number + 1 - len(self._rows)))
        if self._rows[number] < 0:
            self._rows[number] = len(self._order)
            self._order.add(number)
            if self._rows[number] % _BLOCK == 0:
                self._sums.append(np.zeros((_BLOCK, len(embedding)), np.float32))
                self._counts.append(np.zeros(_BLOCK, np.float32))
        block, row = divmod(self._rows[number], _BLOCK)
        self._sums[block][row] += times * embedding
        self._counts[block][row] += times
        if self._counts[block][row] == 0:
            self._sums[block][row] = 0

    def sorted(self) -> tuple[NDArray[np.int32], "Directions"]:
        """The numbers of the identities in the order of their names, and the directions of their
        means: (n, d), made when they are asked for.
        """
        numbers = self._order.numbers()
        rows = np.array(self._rows, np.int32)[numbers]
        counts = np.concatenate([np.zeros(0, np.float32), *self._counts])[rows]
        there = counts > 0
        return numbers[there], Directions(self._sums, counts[there], rows[there])


@dataclass(frozen=True, slots=True)
class Directions:
    """Unit vectors towards means, a slice at a time: all of them may not fit twice."""

    sums: list[Vectors]
    counts: NDArray[np.float32]
    rows: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Vectors:
        block, row = np.divmod(self.rows[part], _BLOCK)
        sums = np.zeros((len(row), self.sums[0].shape[1]), np.float32)
        for number in np.unique(block):
            mine = block == number
            sums[mine] = self.sums[number][row[mine]]
        return units(sums / self.counts[part, None])


def units(vectors: Vectors) -> Vectors:
    """Vectors (n, d) of length 1 in the same directions; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


class Identities:
    """Who is in the dataset so far: in which splits, by how many clips, and face clusters'
    embeddings.

    An identity takes some 130 bytes, and 4 more for each number of a face's embedding.
    """

    def __init__(self) -> None:
        self._identities = Numbered()
        self._clips = np.zeros((0, 2, len(_HELD_OUT_FIRST)), np.uint32)
        """Of each identity, that are judged again (0) or settled (1), in each split."""
        self._asked: dict[str, str] = {}
        self.faces = Centres(self._identities)

    def add(
        self, identity: str, split: str, embedding: Sequence[float] | None, *, settled: bool = True
    ) -> None:
        """Remember a clip that is in the dataset. What is settled no clip changes; what is judged
        again holds unless the clips ask for another split.
        """
        self._count(identity, split, settled, 1)
        self._count_face(identity, embedding, 1)

    def drop(
        self, identity: str, split: str, embedding: Sequence[float] | None, *, settled: bool = True
    ) -> None:
        """Remember a clip no longer that was added so."""
        self._count(identity, split, settled, -1)
        self._count_face(identity, embedding, -1)

    def unsettle(self, identity: str, split: str) -> None:
        """A settled clip is judged again."""
        self._count(identity, split, True, -1)
        self._count(identity, split, False, 1)

    def ask(self, splits: Mapping[str, str]) -> None:
        """Splits of identities for which nothing is settled."""
        self._asked |= splits

    def settled(self, identity: str) -> str | None:
        """The split that no clip changes, if there is one."""
        return self._split(identity, 1) or self._asked.get(identity)

    def kept(self, identity: str) -> str | None:
        """The split that holds unless clips ask for another, if there is one."""
        return self._split(identity, 0)

    def split_of(self, identity: str) -> str | None:
        """The split that an identity has, if it has one."""
        return self.settled(identity) or self.kept(identity)

    def any_divided(self) -> bool:
        """Whether there is somebody with clips in two splits, accepted or not."""
        return bool(((self._clips.sum(axis=1) > 0).sum(axis=1) > 1).any())

    def name(self, number: int) -> str:
        """The identity of that number."""
        return self._identities[number]

    def numbered_splits(self, identities: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Of face clusters, for which nobody asks a split, given as numbers (n,): a number each for
        `split_of`, and another for None.
        """
        found = np.zeros(len(identities), np.uint8)
        for begin in range(0, len(identities), _BLOCK):
            number = identities[begin : begin + _BLOCK]
            known = number < len(self._clips)  # the others have none but excluded clips
            clips = np.zeros((len(number), *self._clips.shape[1:]), bool)
            clips[known] = self._clips[number[known]] > 0
            # Settled ones first, then those that are kept, then none.
            none = np.ones((len(number), 1), bool)
            first = np.concatenate([clips[:, 1], clips[:, 0], none], axis=1).argmax(1)
            splits = first % len(_HELD_OUT_FIRST) + 1
            found[begin : begin + _BLOCK] = np.where(first < 2 * len(_HELD_OUT_FIRST), splits, 0)
        return found

    def _split(self, identity: str, settled: int) -> str | None:
        number = self._identities.get(identity)
        if number is None or number >= len(self._clips):
            return None  # or none but excluded clips
        clips = self._clips[number, settled].tolist()
        return next((split for split, n in zip(_HELD_OUT_FIRST, clips, strict=True) if n), None)

    def _count(self, identity: str, split: str, settled: bool, clips: int) -> None:
        if split == EXCLUDED:
            return
        number = self._identities.add(identity)
        if number >= len(self._clips):
            room = max(1024, number + number // 2)
            grown = np.zeros((room, *self._clips.shape[1:]), np.uint32)
            grown[: len(self._clips)] = self._clips
            self._clips = grown
        self._clips[number, int(settled), _HELD_OUT_FIRST.index(split)] += clips

    def _count_face(self, identity: str, embedding: Sequence[float] | None, faces: int) -> None:
        if embedding is not None and identity.startswith("face:"):
            self.faces.add(identity, np.asarray(embedding, np.float32), faces)


def assign(
    clips: list[dict[str, Any]],
    known: Identities,
    config: SplitConfig,
    before: Iterable[dict[str, Any]] = (),
) -> None:
    """Set `identity`, `split` and `divided` of each clip, in place; `known` learns them.

    `before` are rows of `clips` that these replace, which `known` has as unsettled.
    """
    clips = sorted(clips, key=lambda clip: clip["clip_id"])
    clashes = _name_identities(clips, known, config)
    asks = {
        clip["clip_id"]: asked_split(clip["asked_split"], clip["source_name"], config)
        for clip in clips
    }
    asked: dict[str, set[str | None]] = {}
    for clip in clips:
        asked.setdefault(clip["identity"], set()).add(asks[clip["clip_id"]])
    splits = {
        identity: known.settled(identity)
        or held_out(wanted)
        or known.kept(identity)
        or hashed_split(identity, config)
        for identity, wanted in asked.items()
    }
    for clip in clips:
        ask, split = asks[clip["clip_id"]], splits[clip["identity"]]
        clip["divided"] = clip["clip_id"] in clashes or ask not in (None, EXCLUDED, split)
        clip["split"] = EXCLUDED if clip["divided"] or ask == EXCLUDED else split
    _learn(clips, known, before)


def _learn(
    clips: list[dict[str, Any]], known: Identities, before: Iterable[dict[str, Any]]
) -> None:
    """Let `known` have the clips in the place of those before. A face that stays who it was is not
    counted anew: taking a number off a sum and adding it again may change the last bit.
    """
    gone = {clip["clip_id"]: clip for clip in before}
    for clip in clips:
        embedding, old = clip["embedding"], gone.get(clip["clip_id"])
        if old and (old["identity"], old["embedding"]) == (clip["identity"], embedding):
            gone[clip["clip_id"]] = old | {"embedding": None}
            embedding = None
        known.add(clip["identity"], clip["split"], embedding)
    for old in gone.values():
        known.drop(old["identity"], old["split"], old["embedding"], settled=False)


def speaker_identity(speaker: str) -> str:
    """The identity of a labelled speaker, in whatever spelling."""
    return f"speaker:{normalised(speaker)}"


def held_out(splits: Iterable[str | None]) -> str | None:
    """Of several splits the one that is farthest from training."""
    found = set(splits)
    return next((split for split in _HELD_OUT_FIRST if split in found), None)


def hashed_split(identity: str, config: SplitConfig) -> str:
    """The split that the hash of an identity falls into."""
    digest = hashlib.sha256(f"{config.salt}/{identity}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < config.test:
        return "test"
    return "val" if place < config.test + config.val else "train"


def asked_split(asked: str | None, source_name: str, config: SplitConfig) -> str | None:
    """The split that a list asks for, else the convention's for the file name, if any."""
    if asked is not None or config.convention == "hash":
        return asked
    name = normalised(source_name)
    return hdtf_split(name) if config.convention == "hdtf" else crema_d_split(name)


def _name_identities(
    clips: list[dict[str, Any]], known: Identities, config: SplitConfig
) -> set[str]:
    """Set each clip's `identity`; return the ids of clips that would join two splits."""
    faces = []
    for clip in clips:
        if clip["speaker"] is not None:
            clip["identity"] = speaker_identity(clip["speaker"])
        elif clip["embedding"] is not None:
            faces.append(clip)
        else:
            clip["identity"] = f"video:{clip['video_id']}"
    return _cluster(faces, known, config) if faces else set()


def _cluster(faces: list[dict[str, Any]], known: Identities, config: SplitConfig) -> set[str]:
    """Single-linkage clusters over the new faces and the known identities, which stay apart."""
    numbers, centres = known.faces.sorted()
    vectors = units(np.stack([np.asarray(c["embedding"], np.float32) for c in faces]))
    kinds = known.numbered_splits(numbers)
    first, which = near_kinds(vectors, centres, kinds, config.same_face)
    clusters = single_linkage(vectors, config.same_face)
    clashes: set[str] = set()
    order = np.argsort(clusters, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1):
        clips = [faces[i] for i in group]
        if which[group].any(0).sum() > 1:
            clashes |= {clip["clip_id"] for clip in clips}
        linked = first[group][first[group] >= 0]
        named = min(clip["clip_id"] for clip in clips)
        identity = known.name(numbers[linked.min()]) if len(linked) else f"face:{named}"
        for clip in clips:
            clip["identity"] = identity
    return clashes
