"""Who is seen, and in which split: nobody is in two.

A clip's identity is the speaker its source list names, else the cluster of its face embedding,
else its source video. The split follows from a hash of the identity, so that adding footage
never moves a clip that is there. Lists and conventions may ask for another; where they ask for two
of one person, what is in the dataset holds, then what is held out (test, then val). A clip that
asks for another split than its person's, or whose face would join two identities of different
splits, is `divided`: it is `excluded`, because it would leak one into the other.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dawn.curation.conventions import crema_d_split, hdtf_split
from dawn.curation.linkage import Vectors, near_kinds, single_linkage
from manifests.names import normalised

EXCLUDED = "excluded"
_HELD_OUT_FIRST = ("test", "val", "train")


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
    however many there are.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._sums: Vectors = np.zeros((0, 0), np.float32)
        self._counts = np.zeros(0, np.float32)

    def add(self, identity: str, embedding: NDArray[np.float32]) -> None:
        """Count one more face, (d,), to an identity."""
        place = self._places.setdefault(identity, len(self._places))
        if place == len(self._sums):
            room = max(64, 2 * place)
            sums, counts = np.zeros((room, len(embedding)), np.float32), np.zeros(room, np.float32)
            if place:
                sums[:place], counts[:place] = self._sums, self._counts
            self._sums, self._counts = sums, counts
        self._sums[place] += embedding
        self._counts[place] += 1

    def sorted(self) -> tuple[list[str], Vectors]:
        """The identities in order, and the directions of their means: (n, d)."""
        names = sorted(self._places)
        places = [self._places[name] for name in names]
        return names, units(self._sums[places] / self._counts[places, None])


def units(vectors: Vectors) -> Vectors:
    """Vectors (n, d) of length 1 in the same directions; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


@dataclass(slots=True)
class Identities:
    """Who is in the dataset so far: identity -> split, and face clusters' embeddings."""

    splits: dict[str, str] = field(default_factory=dict)
    """Settled: no clip changes them."""
    kept: dict[str, str] = field(default_factory=dict)
    """Of clips that are judged again: they hold unless the clips ask for another."""
    faces: Centres = field(default_factory=Centres)

    def add(
        self, identity: str, split: str, embedding: Sequence[float] | None, *, settled: bool = True
    ) -> None:
        """Remember a clip that is in the dataset."""
        known = self.splits if settled else self.kept
        if split != EXCLUDED:
            known[identity] = held_out((split, known.get(identity))) or split
        if embedding is not None and identity.startswith("face:"):
            self.faces.add(identity, np.asarray(embedding, np.float32))

    def split_of(self, identity: str) -> str | None:
        """The split that an identity has, if it has one."""
        return self.splits.get(identity) or self.kept.get(identity)


def assign(clips: list[dict[str, Any]], known: Identities, config: SplitConfig) -> None:
    """Set `identity`, `split` and `divided` of each clip, in place; `known` learns them."""
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
        identity: known.splits.get(identity)
        or held_out(wanted)
        or known.kept.get(identity)
        or hashed_split(identity, config)
        for identity, wanted in asked.items()
    }
    for clip in clips:
        ask, split = asks[clip["clip_id"]], splits[clip["identity"]]
        clip["divided"] = clip["clip_id"] in clashes or ask not in (None, EXCLUDED, split)
        clip["split"] = EXCLUDED if clip["divided"] or ask == EXCLUDED else split
        known.add(clip["identity"], clip["split"], clip["embedding"])


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
    names, centres = known.faces.sorted()
    splits = [known.split_of(name) for name in names]
    kinds = {split: i for i, split in enumerate(dict.fromkeys(splits))}
    vectors = units(np.stack([np.asarray(c["embedding"], np.float32) for c in faces]))
    first, which = near_kinds(
        vectors, centres, np.array([kinds[s] for s in splits], np.int64), config.same_face
    )
    clusters = single_linkage(vectors, config.same_face)
    clashes: set[str] = set()
    order = np.argsort(clusters, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1):
        clips = [faces[i] for i in group]
        if which[group].any(0).sum() > 1:
            clashes |= {clip["clip_id"] for clip in clips}
        linked = first[group][first[group] >= 0]
        named = min(clip["clip_id"] for clip in clips)
        identity = names[linked.min()] if len(linked) else f"face:{named}"
        for clip in clips:
            clip["identity"] = identity
    return clashes
