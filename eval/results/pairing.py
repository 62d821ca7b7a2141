"""Which generated video is held against which real one, and what the baselines are."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from manifests.counting import count
from manifests.errors import InputError

Baseline = Literal["real", "real-split", "static", "shuffled-audio"]
BASELINES: tuple[Baseline, ...] = ("real", "real-split", "static", "shuffled-audio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A real clip."""

    name: str
    """Clip id of a dataset, or file name without its suffix; see `manifests.names.normalised`."""
    video: str
    also: str | None = None
    """Another name that a generated video may carry."""
    source: str | None = None
    """What people call its source, where it has one."""
    speaker: str | None = None
    split: str | None = None
    yaw_p95: float | None = None
    pitch_p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A video of the system under test; `video` is None where making it failed."""

    name: str
    """In the spelling of `manifests.names.normalised`, as the reference's."""
    video: str | None
    row: Mapping[str, Any] | None = None
    """Of `generations`, where it is of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSpec:
    """One pair to be measured."""

    clip_id: str
    video: str | None
    reference: Reference
    sound: str | None = None
    """Take the sound of this file instead of the video's."""
    still: bool = False
    """Frame 0 throughout."""
    row: Mapping[str, Any] | None = None
    change: str | None = None
    """One of `eval.sensitivity.changes` that the generated video is measured under."""

    @property
    def image(self) -> str | None:
        """The picture that was animated, where it is not the real clip's frame 0."""
        return self.row.get("image") if self.row and not self.row.get("clip_id") else None


@dataclass(slots=True)
class Pairing:
    """What pairs, and the names that do not."""

    pairs: list[PairSpec] = field(default_factory=list)
    only_generated: list[str] = field(default_factory=list)
    only_reference: list[str] = field(default_factory=list)

    @property
    def clip_list_hash(self) -> str:
        """16 hex digits of the sorted clip ids: which clips the set's numbers are of."""
        text = "\n".join(sorted(pair.clip_id for pair in self.pairs))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def match(generated: Iterable[Generated], references: Sequence[Reference]) -> Pairing:
    """Pair by name. Raises InputError where a name is given twice."""
    by_name = _unique(references)
    others: dict[str, list[Reference]] = {}
    for reference in references:
        if reference.also is not None:
            others.setdefault(reference.also, []).append(reference)
    pairing, used = Pairing(), set()
    for video in sorted(generated, key=lambda video: video.name):
        candidates = [by_name[video.name]] if video.name in by_name else others.get(video.name, [])
        if len(candidates) != 1:
            pairing.only_generated.append(video.name)
            continue
        (reference,) = candidates
        if reference.name in used:
            raise InputError(f"{video.name}: a second video for {reference.name}; give one a clip")
        used.add(reference.name)
        pairing.pairs.append(
            PairSpec(clip_id=reference.name, video=video.video, reference=reference, row=video.row)
        )
    pairing.only_reference = sorted(by_name.keys() - used)
    return pairing


def baseline(kind: Baseline, references: Sequence[Reference]) -> Pairing:
    """Pairs of real clips that bound what a system can score.

    real: each clip against itself, the most that can be had. static: its first frame throughout,
    with its sound. shuffled-audio: each clip with the sound of another, of another speaker where
    there is one: what chance gives. real-split: one half of the clips against the other half,
    which is how far apart two sets of so many real clips are (n is half of all).
    """
    ordered = [_unique(references)[name] for name in sorted({r.name for r in references})]
    if kind == "real-split":
        return _halves(ordered)
    if kind == "shuffled-audio":
        return _shuffled(ordered)
    still = kind == "static"
    return Pairing(
        [PairSpec(clip_id=r.name, video=r.video, reference=r, still=still) for r in ordered]
    )


def _halves(ordered: Sequence[Reference]) -> Pairing:
    """By the hash of the name, so that the halves do not follow the order of recording."""
    mixed = sorted(ordered, key=lambda r: hashlib.sha256(r.name.encode()).hexdigest())
    if len(mixed) < 4:
        raise InputError(
            f"--baseline real-split: {count(len(mixed), 'clip')}; two halves take four"
        )
    pairs = [
        PairSpec(clip_id=one.name, video=one.video, reference=other)
        for one, other in zip(mixed[::2], mixed[1::2], strict=False)
    ]
    odd = [mixed[-1].name] if len(mixed) % 2 else []
    return Pairing(sorted(pairs, key=lambda pair: pair.clip_id), [], odd)


def _shuffled(ordered: Sequence[Reference]) -> Pairing:
    """Sound moves on by half of the list, further while the speaker is the same."""
    if len(ordered) < 2:
        raise InputError("--baseline shuffled-audio: it takes two clips")
    count = len(ordered)
    pairs = []
    for index, reference in enumerate(ordered):
        steps = [(index + count // 2 + k) % count for k in range(count)]
        others = [ordered[step] for step in steps if step != index]
        apart = [o for o in others if o.speaker is None or o.speaker != reference.speaker]
        sound = (apart or others)[0].video
        pairs.append(
            PairSpec(
                clip_id=reference.name, video=reference.video, reference=reference, sound=sound
            )
        )
    return Pairing(pairs)


def _unique(references: Sequence[Reference]) -> dict[str, Reference]:
    by_name: dict[str, Reference] = {}
    for reference in references:
        if reference.name in by_name:
            raise InputError(
                f"{reference.video}: has the same name as {by_name[reference.name].video}; "
                "rename one of them"
            )
        by_name[reference.name] = reference
    return by_name
