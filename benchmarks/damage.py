"""Damages real clips in known ways and tables what each metric makes of it.

`python -m benchmarks.damage CLIP… --document docs/metrics.md` writes the table between the
document's marks. Of every clip its middle square and its first seconds take part. "another face"
shows the next clip's pictures under each clip's sound. Metrics whose weights are absent have no
line.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dawn.features.faces.eyes import eye_ratios, find_blinks
from dawn.features.faces.landmarks import LANDMARKS, borrow, give_back
from dawn.features.sound.read import read_sound
from dawn.features.video.decode import probe, read_frames
from dawn.features.video.encode import ClipWriter
from eval.damage import DAMAGES, freeze_mouth, remove_blinks, swap_identity
from eval.document import updated
from eval.metrics.catalogue import METRICS, select
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import square
from eval.results.conditions import Conditions
from eval.results.pairing import Generated, Reference, match
from eval.results.stored import SET
from pipeline.cluster.tasks import InProcess
from pipeline.evaluate.run import Evaluation, evaluate, results_folder

BEGIN, END = "<!-- damage: begin -->", "<!-- damage: end -->"
CARD = ProtocolCard(name="damage", size=256, stride=2)

Take = tuple[np.ndarray, np.ndarray]


def read(path: Path, frames: int) -> Take:
    """The first frames at the protocol's size, and their sound."""
    info = probe(path)
    count = min(frames, info.frames)
    pictures = [square(picture, CARD.size) for _, picture in read_frames(path, info, 0, count)]
    return np.stack(pictures), read_sound(path, info, 0, len(pictures))


def landmarks(pictures: np.ndarray) -> np.ndarray:
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


def numbers(takes: dict[str, Take], references: list[Reference], folder: Path) -> dict[str, Any]:
    """The set's numbers of damaged takes."""
    folder.mkdir()
    made = [Generated(name=n, video=write(folder / f"{n}.mp4", take)) for n, take in takes.items()]
    conditions = Conditions.resolve(CARD)
    can = [m.definition.name for m in METRICS if conditions.standing(m.definition.name).hash]
    job = Evaluation(
        pairing=match(made, references), conditions=conditions,
        wanted=tuple(name for name in select(["all"]) if name in can),
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
    return "–" if value is None else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    takes = {path.stem: read(path, options.frames) for path in options.clips}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "real").mkdir()
        references = [
            Reference(name=n, video=write(root / "real" / f"{n}.mp4", take))
            for n, take in takes.items()
        ]
        rows = {"none": numbers(takes, references, root / "again")}
        for k, (label, damage) in enumerate(DAMAGES.items()):
            damaged = {name: damage(*take) for name, take in takes.items()}
            rows[label] = numbers(damaged, references, root / str(k))
        points = {name: landmarks(take[0]) for name, take in takes.items()}
        held = {name: freeze_mouth(points[name])(*take) for name, take in takes.items()}
        rows["frozen mouth"] = numbers(held, references, root / "held")
        blinks = {name: find_blinks(eye_ratios(found)) for name, found in points.items()}
        opened = {name: remove_blinks(blinks[name])(*take) for name, take in takes.items()}
        rows["no blinks"] = numbers(opened, references, root / "opened")
        order = list(takes)
        others = {n: takes[order[(k + 1) % len(order)]][0] for k, n in enumerate(order)}
        swapped = {name: swap_identity(others[name])(*take) for name, take in takes.items()}
        rows["another face"] = numbers(swapped, references, root / "swapped")
    print(table(rows))
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
