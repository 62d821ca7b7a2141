"""Who is seen, and in which split: nobody is in two.

A clip's identity is the speaker its source list names, else the cluster of its face embedding,
else its source video. The split follows from a hash of the identity, so that adding footage
never moves a clip that is there. A face that would join two identities of different splits is
`excluded`, because it would leak one into the other.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dawn.curation.conventions import crema_d_split, hdtf_split

EXCLUDED = "excluded"


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

    def __post_init__(self) -> None:
        if not (self.val >= 0 and self.test >= 0 and self.val + self.test < 1):
            raise ValueError(f"val {self.val} and test {self.test} must leave a share for train")


@dataclass(slots=True)
class Identities:
    """Who is in the dataset so far: identity -> split, and face clusters' mean embeddings."""

    splits: dict[str, str] = field(default_factory=dict)
    faces: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)

    def add(self, identity: str, split: str, embedding: list[float] | None) -> None:
        """Remember a clip that is in the dataset."""
        if split != EXCLUDED:
            self.splits.setdefault(identity, split)
        if embedding is not None and identity.startswith("face:"):
            self.faces.setdefault(identity, []).append(np.asarray(embedding, np.float32))


def assign(clips: list[dict[str, Any]], known: Identities, config: SplitConfig) -> None:
    """Set `identity` and `split` of each clip, in place; `known` learns them."""
    clips = sorted(clips, key=lambda clip: clip["clip_id"])
    clashes = _name_identities(clips, known, config)
    for clip in clips:
        identity = clip["identity"]
        split = known.splits.get(identity) or hashed_split(identity, config)
        split = clip["asked_split"] or _conventional(clip["source_name"], config) or split
        if clip["clip_id"] in clashes:
            split = EXCLUDED
        clip["split"] = split
        known.add(identity, split, clip["embedding"])


def hashed_split(identity: str, config: SplitConfig) -> str:
    """The split that the hash of an identity falls into."""
    digest = hashlib.sha256(f"{config.salt}/{identity}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < config.test:
        return "test"
    return "val" if place < config.test + config.val else "train"


def _conventional(name: str, config: SplitConfig) -> str | None:
    if config.convention == "hdtf":
        return hdtf_split(name)
    return crema_d_split(name) if config.convention == "crema-d" else None


def _name_identities(
    clips: list[dict[str, Any]], known: Identities, config: SplitConfig
) -> set[str]:
    """Set each clip's `identity`; return the ids of clips that would join two splits."""
    faces = []
    for clip in clips:
        if clip["speaker"] is not None:
            clip["identity"] = f"speaker:{clip['speaker']}"
        elif clip["embedding"] is not None:
            faces.append(clip)
        else:
            clip["identity"] = f"video:{clip['video_id']}"
    return _cluster(faces, known, config) if faces else set()


def _cluster(faces: list[dict[str, Any]], known: Identities, config: SplitConfig) -> set[str]:
    """Single-linkage clusters over the new faces and the known identities."""
    names = sorted(known.faces)
    centres = [_unit(np.mean(known.faces[name], axis=0)) for name in names]
    vectors = np.stack([*centres, *(_unit(np.asarray(c["embedding"])) for c in faces)])
    near = vectors @ vectors.T >= config.same_face
    near[: len(names), : len(names)] = np.eye(len(names), dtype=bool)  # what is there stays apart
    clashes: set[str] = set()
    own = near[len(names) :, len(names) :]
    for group in _components(own):
        linked = {
            names[j] for i in group for j in np.flatnonzero(near[len(names) + i, : len(names)])
        }
        if len({known.splits.get(name) for name in linked}) > 1:
            clashes |= {faces[i]["clip_id"] for i in group}
        identity = min(linked) if linked else f"face:{min(faces[i]['clip_id'] for i in group)}"
        for i in group:
            faces[i]["identity"] = identity
    return clashes


def _components(near: NDArray[np.bool_]) -> list[list[int]]:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(csr_array(near), directed=False)
    return [np.flatnonzero(labels == k).tolist() for k in range(count)]


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
