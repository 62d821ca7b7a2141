"""How fragile is each number: three systems, measured again under small changes.

    python -m benchmarks.sensitivity                               # prints the table
    python -m benchmarks.sensitivity --footage CLIPS --document docs/metrics.md

The systems are the real clips encoded again (H.264 crf 28), a still picture, and the model that
the package ships, on rendered people or on footage of yours. Everything is `dawn generate`'s, `dawn
evaluate --sensitivity`'s and `dawn leaderboard`'s own code; metrics whose weights are absent have
no line.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.inputs import ingest_here, make_dataset
from benchmarks.report import Report, arguments, is_smoke, parse
from dawn.features.rates import FPS
from dawn.pretrained import SAMPLER, SMALL
from dawn.sampling.settings import GenerateConfig
from eval.document import updated
from eval.leaderboard.board import BoardSettings, make_board
from eval.leaderboard.fragility import as_table, with_fragility
from eval.leaderboard.groups import grouped
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings
from eval.results.scores import load_results
from eval.sensitivity.cards import Fragility
from eval.sensitivity.changes import CHANGES, Change, changed
from manifests.catalog import rows
from manifests.store import Dataset
from pipeline.cluster.actors import OneHere
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.command import EvaluateOptions, run_evaluate
from pipeline.evaluate.sensitivity import Sensitivity
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.worker import Maker

BEGIN, END = "<!-- sensitivity: begin -->", "<!-- sensitivity: end -->"
METRICS = "lip_audio_corr,csim,m_lmd,psnr,ssim,flicker,pose_std,head_jerk,fd_pose,face_rate"
CARD = """\
name: short
skip_first: 1
stride: 5
max_frames: {frames}
metrics: [all]
"""


def rewritten(dataset: Dataset, out: Path, change: Change) -> None:
    """The real clips with a change."""
    out.mkdir()
    settings = ClipSettings(card=ProtocolCard(name="native"))
    for row in rows(dataset, "SELECT clip_id, video_path FROM clips WHERE accepted"):
        clip = Clip(Path(dataset.path) / row["video_path"], settings)
        changed(clip, change, out / f"{row['clip_id']}.mkv")


def generated(dataset: Dataset, out: Path, seconds: float, steps: int) -> None:
    """What the shipped model makes of each clip's first frame and sound."""
    options = ManyOptions(
        config=GenerateConfig(**SAMPLER | {"steps": steps}), checkpoint=SMALL, out=str(out),
        dataset=dataset.uri, split="all", max_seconds=seconds, device="cpu",
    )  # fmt: skip
    generate_many(options, OneHere(Maker, plan_run(options).task))


def measured(
    root: Path, dataset: Dataset, seconds: float, steps: int
) -> tuple[list[Fragility], int]:
    """The table's lines, and of how many clips they are."""
    rewritten(dataset, root / "encoded", CHANGES["h264_crf28"])
    generated(dataset, root / "model", seconds, steps)
    protocol = root / "short.yaml"
    protocol.write_text(CARD.format(frames=round(seconds * FPS)), encoding="utf-8")
    names = tuple(CHANGES)[:2] if is_smoke() else tuple(CHANGES)
    folders = []
    for system, source in (
        ("real, crf 28", {"videos": str(root / "encoded")}),
        ("still picture", {"baseline": "static"}),
        ("shipped model", {"run": str(root / "model")}),
    ):
        folders.append(str(root / "results" / system))
        run_evaluate(
            EvaluateOptions(
                reference=f"{dataset.uri}:all", out=folders[-1], metrics=METRICS, system=system,
                device="cpu", protocol=str(protocol),
                sensitivity=Sensitivity(share=1, changes=names), **source,
            ),
            InProcess(),
        )  # fmt: skip
    found = [load_results(folder) for folder in folders]
    board = with_fragility(make_board(grouped(found), BoardSettings(gallery=0)))
    return board.sheets[0].fragility, len(found[0].clips)


def footage_of(options: argparse.Namespace, root: Path) -> Dataset:
    """Clips of the footage that is named, else of rendered people."""
    if options.footage is not None:
        return ingest_here([options.footage], root / "dataset")
    people = dict.fromkeys(range(11, 11 + options.people), "test")
    return Dataset(make_dataset(root, people, options.seconds))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--footage", type=Path, help="videos to use instead of rendered people")
    parser.add_argument("--people", type=int, default=3, help="how many are rendered")
    parser.add_argument("--seconds", type=float, default=1.8, help="of each clip")
    parser.add_argument("--steps", type=int, default=SAMPLER["steps"], help="denoising steps")
    parser.add_argument("--document", type=Path)
    options = parse(parser, people=1, seconds=2.0, steps=1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        dataset = footage_of(options, root)
        found, clips = measured(root, dataset, options.seconds, options.steps)
    table = "\n".join(as_table(found))
    print(table)
    report = Report("sensitivity")
    for one in found:
        for card in one.cards:
            name = f"{one.definition.name}, {card.system}"
            report.figure(name, card.spread, one.definition.unit, floor=card.width)
    if options.document is not None:
        text = (
            f"{clips} {'rendered' if options.footage is None else 'real'} clips, their first "
            f"{options.seconds:g} s, all measured again under {len(CHANGES)} changes. Made by "
            f"`python -m benchmarks.sensitivity`.\n\n{table}"
        )
        document = options.document.read_text(encoding="utf-8")
        options.document.write_text(updated(document, text, BEGIN, END), encoding="utf-8")


if __name__ == "__main__":
    main()
