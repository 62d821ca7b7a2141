"""`dawn vote make`: the page of blind pairs."""

import base64
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.features.video.encode import ClipWriter
from eval.leaderboard.gallery import local_videos
from eval.leaderboard.groups import Entry, grouped
from eval.leaderboard.side_by_side import SECONDS, SIZE, alone
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings
from eval.report.page import fill
from eval.results.scores import load_results
from manifests.counting import count
from manifests.errors import InputError
from manifests.reasons import UnreadableVideoError
from pipeline.progress import Progress, console
from pipeline.votes.study import FORMAT, KEY, PAGE, VOTES

QUESTIONS = {
    "lips": "Whose lips fit the sound better?",
    "likeness": "Who looks more like one and the same real person throughout?",
    "motion": "Whose head and face move more naturally?",
    "picture": "Whose picture is cleaner?",
    "overall": "Which one would you rather watch?",
}
_BLOCKS = 14
"""Side of a broken clip's picture, in blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeOptions:
    """The flags of `dawn vote make`."""

    results: tuple[str, ...]
    out: Path
    questions: tuple[str, ...] = tuple(QUESTIONS)
    pairs: int = 20
    """That one rater sees, without checks."""
    clips: int = 24
    checks: int = 3
    seed: int = 0
    title: str = "Which one is better?"


def make_study(options: MakeOptions) -> Path:
    """Make the folder; returns the page's path. Raises InputError."""
    if options.out.exists() and any(options.out.iterdir()):
        raise InputError(f"--out {options.out}: is not empty; give a new folder")
    systems, clips = _chosen(options)
    study = hashlib.sha256(
        json.dumps([options.seed, [e.name for e in systems], clips]).encode()
    ).hexdigest()[:16]
    films = _Films(options.out / PAGE / "v", study)
    pairs = list(itertools.combinations(systems, 2))
    random = np.random.default_rng(options.seed)
    items: dict[str, dict[str, Any]] = {}
    shown: dict[str, dict[str, str]] = {}
    steps = len(clips) * len(systems) + options.checks
    with Progress("prepare", steps) as progress:
        there = {
            (entry.name, clip): name
            for entry in systems
            for clip in clips
            if (name := films.of(entry, clip, "video", lambda: progress.advance(1)))
        }
        for clip, (a, b) in itertools.product(clips, pairs):
            sides = there.get((a.name, clip)), there.get((b.name, clip))
            if None not in sides:
                item = {"clip_id": clip, "a": a.name, "b": b.name, "check": False}
                _add(items, shown, study, item, sides)
        for clip in [str(c) for c in random.permutation(clips)][: options.checks]:
            sides = films.check(systems[0], clip)
            progress.advance(1)
            if None not in sides:
                item = {"clip_id": clip, "a": "real", "b": "broken", "check": True}
                _add(items, shown, study, item, sides)
    if not any(not item["check"] for item in items.values()):
        raise InputError("no clip has a video of two systems that can be read; nothing to compare")
    _write(options, study, items, shown)
    _report(options, systems, clips, items)
    return options.out / PAGE / "index.html"


def _chosen(options: MakeOptions) -> tuple[list[Entry], list[str]]:
    """The systems and the clips, drawn by the seed."""
    groups = grouped([load_results(folder) for folder in options.results])
    systems = [entry for entry in groups[0].entries if entry.ranked]
    if len(systems) < 2:
        raise InputError(
            "votes compare systems: give results of two or more that share clips and a protocol"
        )
    both = set.intersection(*(set(entry.results.clip_ids) for entry in systems))
    order = np.random.default_rng(options.seed).permutation(sorted(both))
    return systems, [str(clip) for clip in order[: options.clips]]


def _add(
    items: dict[str, dict[str, Any]],
    shown: dict[str, dict[str, str]],
    study: str,
    item: dict[str, Any],
    sides: Sequence[str | None],
) -> None:
    text = f"{study} {item['clip_id']} {item['a']} {item['b']}"
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    items[name] = item
    shown[name] = {"a": str(sides[0]), "b": str(sides[1])}


class _Films:
    """Videos of the page, under names that say nothing of what they show."""

    def __init__(self, folder: Path, study: str) -> None:
        self._folder, self._study = folder, study
        folder.mkdir(parents=True, exist_ok=True)

    def of(self, entry: Entry, clip: str, column: str, done: Any) -> str | None:  # noqa: ANN401
        """A system's video of a clip; None where it cannot be read."""
        done()
        row = entry.results.clips[entry.results.clip_ids.index(clip)]
        with local_videos(entry.results, row[column]) as (video,):
            found = alone(video)
        if found.source is None:
            console.print(f"  left out: {entry.name}, {clip}: {found.fault}", markup=False)
            return None
        content = base64.b64decode(found.source.partition(",")[2])
        return self._keep(f"{column} {entry.name} {clip}", content)

    def check(self, entry: Entry, clip: str) -> tuple[str | None, str | None]:
        """The real clip, and the same in coarse blocks with its sound backwards."""
        real = self.of(entry, clip, "reference", lambda: None)
        row = entry.results.clips[entry.results.clip_ids.index(clip)]
        with local_videos(entry.results, row["reference"]) as (video,):
            if real is None or not isinstance(video, Path):
                return real, None
            try:
                return real, self._broken(video, clip)
            except UnreadableVideoError:
                return real, None

    def _broken(self, video: Path, clip: str) -> str:
        card = ProtocolCard(name="page", size=SIZE, max_frames=round(SECONDS * 25))
        shown = Clip(video, ClipSettings(card=card))
        name = self._name(f"broken {clip}")
        with ClipWriter(self._folder / name, SIZE, crf=30) as writer:
            for chunk in shown.chunks():
                for picture in chunk:
                    writer.add(_blocks(picture))
            writer.add_sound(np.ascontiguousarray(shown.sound[: shown.frames * 640][::-1]))
        return name

    def _keep(self, what: str, content: bytes) -> str:
        name = self._name(what)
        (self._folder / name).write_bytes(content)
        return name

    def _name(self, what: str) -> str:
        return hashlib.sha256(f"{self._study} {what}".encode()).hexdigest()[:16] + ".mp4"


def _blocks(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = cv2.resize(picture, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
    side = picture.shape[:2]
    return np.asarray(cv2.resize(small, side, interpolation=cv2.INTER_NEAREST), np.uint8)


def _write(
    options: MakeOptions,
    study: str,
    items: dict[str, dict[str, Any]],
    shown: dict[str, dict[str, str]],
) -> None:
    told = {name: QUESTIONS.get(name, name) for name in options.questions}
    plan = {
        "study": study,
        "seed": options.seed,
        "pairs": options.pairs,
        "questions": [{"id": name, "text": text} for name, text in told.items()],
        "items": [
            {"id": name, **sides} for name, sides in shown.items() if not items[name]["check"]
        ],
        "checks": [{"id": name, **sides} for name, sides in shown.items() if items[name]["check"]],
    }
    page = fill(
        "vote.html.j2", script="vote.js", styles=("style.css", "vote.css"), beside=True, posts=True,
        title=options.title, plan=plan,
    )  # fmt: skip
    (options.out / PAGE / "index.html").write_text(page, encoding="utf-8")
    (options.out / VOTES).mkdir(exist_ok=True)
    key = {
        "format": FORMAT, "study": study, "seed": options.seed, "title": options.title,
        "questions": told, "items": items,
    }  # fmt: skip
    (options.out / KEY).write_text(json.dumps(key, indent=1, ensure_ascii=False), encoding="utf-8")


def _report(
    options: MakeOptions, systems: list[Entry], clips: list[str], items: dict[str, dict[str, Any]]
) -> None:
    pairs = sum(not item["check"] for item in items.values())
    console.print(
        f"done: {count(len(systems), 'system')}, {count(len(clips), 'clip')}, "
        f"{count(pairs, 'pair')}, of which each rater sees {min(options.pairs, pairs)} and "
        f"{count(len(items) - pairs, 'attention check')}",
        markup=False,
    )
    console.print(
        f"next: send {options.out / PAGE}, or dawn vote serve {options.out}", markup=False
    )
