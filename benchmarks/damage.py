"""Damages real clips in known ways and tables what each metric makes of it.

    python -m benchmarks.damage                                        # five rendered people
    python -m benchmarks.damage CLIP… --document docs/metrics.md

The second writes the table between the document's marks. Of every clip its middle square and its
first seconds take part. "another face" shows the next clip's pictures under each clip's sound.
Metrics whose weights are absent have no line. The floor of a figure is the metric's number of the
real clips against themselves.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.inputs import render_people
from benchmarks.report import Report, arguments, parse
from dawn.features.faces.blinks import find_blinks
from dawn.features.faces.eyes import eye_ratios
from dawn.features.faces.landmarks import LANDMARKS, borrow, give_back
from dawn.features.rates import FPS
from dawn.features.sound.read import read_sound
from dawn.features.video.decode import read_frames
from dawn.features.video.encode import ClipWriter
from dawn.features.video.probe import probe
from eval.damage import DAMAGES, Damage, freeze_mouth, remove_blinks, swap_identity
from eval.document import updated
from eval.metrics.catalogue import METRICS, select
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import square
from eval.report.numbers import NOTHING
from eval.results.conditions import Conditions
from eval.results.pairing import Generated, Reference, match
from eval.results.stored import SET
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.run import Evaluation, evaluate, results_folder

BEGIN, END = "<!-- damage: begin -->", "<!-- damage: end -->"
CARD = ProtocolCard(name="damage", size=256, stride=2)

Pictures = NDArray[np.uint8]
Take = tuple[Pictures, NDArray[np.float32]]


def read(path: Path, frames: int) -> Take:
    """The first frames at the protocol's size, and their sound."""
    info = probe(path)
    count = min(frames, info.frames)
    pictures = [square(picture, CARD.size) for _, picture in read_frames(path, info, 0, count)]
    return np.stack(pictures), read_sound(path, info, 0, len(pictures))


def landmarks(pictures: Pictures) -> NDArray[np.float32]:
    """(T, 478, 3) in pixels, as metrics find them; NaN where no face is."""
    mesh = borrow()
    points = [mesh.detect(picture) for picture in pictures]
    give_back(mesh)
    nothing = np.full((LANDMARKS, 3), np.nan, np.float32)
    return np.stack([nothing if p is None else p for p in points])


def write(path: Path, take: Take) -> str:
    with ClipWriter(path, CARD.size) as writer:
        for picture in take[0]:
            writer.add(picture)
        writer.add_sound(take[1])
    return str(path)


def numbers(
    takes: dict[str, Take], references: list[Reference], folder: Path, only: list[str]
) -> dict[str, Any]:
    """The set's numbers of damaged takes, of these metrics."""
    folder.mkdir()
    made = [Generated(name=n, video=write(folder / f"{n}.mp4", take)) for n, take in takes.items()]
    conditions, asked = Conditions.resolve(CARD), select(only)
    can = [m.definition.name for m in METRICS if conditions.standing(m.definition.name).hash]
    job = Evaluation(
        pairing=match(made, references), conditions=conditions,
        wanted=tuple(name for name in asked if name in can),
        system=folder.name, reference="damage",
    )  # fmt: skip
    results = results_folder(str(folder / "results"))
    evaluate(job, results, InProcess())
    return {row["metric"]: row for row in results.read_item("metrics", SET).to_pylist()}


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown: a line a metric, a column a damage."""
    lines = ["| | real | " + " | ".join(rows) + " |", "|---|" + "---|" * (len(rows) + 1)]
    for name in select(["all"]):
        values = [row.get(name, {}) for row in rows.values()]
        if any(value.get("value") is not None for value in values):
            cells = [values[0].get("reference"), *(value.get("value") for value in values)]
            lines.append(f"| `{name}` | " + " | ".join(map(shown, cells)) + " |")
    return "\n".join(lines)


def shown(value: float | None) -> str:
    if value is None:
        return "–"
    return "0" if abs(value) < NOTHING else f"{value:.3g}"


def damages(takes: dict[str, Take]) -> Iterator[tuple[str, Callable[[str], Damage]]]:
    """Each damage's name, and what does it to a clip of some name."""
    for label, damage in DAMAGES.items():
        yield label, lambda _, damage=damage: damage  # type: ignore[misc]
    points = {name: landmarks(take[0]) for name, take in takes.items()}
    yield "frozen mouth", lambda name: freeze_mouth(points[name])
    yield "no blinks", lambda name: remove_blinks(find_blinks(eye_ratios(points[name])))
    following = dict(zip(takes, [*list(takes)[1:], *list(takes)[:1]], strict=True))
    yield "another face", lambda name: swap_identity(takes[following[name]][0])


def measured(
    takes: dict[str, Take], root: Path, only: list[str], metrics: list[str]
) -> dict[str, dict[str, Any]]:
    """The metrics' rows under each damage, or under those that are named."""
    (root / "real").mkdir()
    references = [
        Reference(name=n, video=write(root / "real" / f"{n}.mp4", take))
        for n, take in takes.items()
    ]
    rows = {"none": numbers(takes, references, root / "again", metrics)}
    for k, (label, damage_of) in enumerate(damages(takes)):
        if not only or label in only:
            damaged = {name: damage_of(name)(*take) for name, take in takes.items()}
            rows[label] = numbers(damaged, references, root / str(k), metrics)
    return rows


def say(report: Report, rows: dict[str, dict[str, Any]]) -> None:
    """The table, and each cell's figure."""
    print(table(rows))
    for label, of_metric in rows.items():
        for name, row in of_metric.items():
            if row.get("value") is not None:
                floor = rows["none"].get(name, {}).get("value")
                report.figure(f"{name}, {label}", row["value"], name, floor=floor)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("clips", nargs="*", type=Path, help="none: people are rendered")
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--damages", nargs="+", default=[], metavar="NAME", help="only these")
    parser.add_argument("--metrics", nargs="+", default=["all"], metavar="NAME", help="only these")
    parser.add_argument("--document", type=Path)
    options = parse(parser, frames=12, damages=["muted"])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        people = range(1 if options.smoke else 5)
        seconds = options.frames / FPS + 0.2
        clips = options.clips or render_people(Path(scratch) / "people", people, seconds)
        takes = {path.stem: read(path, options.frames) for path in clips}
        rows = measured(takes, Path(scratch), options.damages, options.metrics)
    say(Report("damage"), rows)
    if options.document is not None:
        count = min(len(take[0]) for take in takes.values())
        text = (
            f"{len(takes)} clips, {count} frames or more each, at {CARD.size} px, stride "
            f"{CARD.stride}. Made by `python -m benchmarks.damage`.\n\n{table(rows)}"
        )
        document = options.document.read_text(encoding="utf-8")
        options.document.write_text(updated(document, text, BEGIN, END), encoding="utf-8")


if __name__ == "__main__":
    main()
