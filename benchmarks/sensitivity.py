"""How fragile is each number: three systems on rendered people, measured again under small changes.

    python -m benchmarks.sensitivity                               # prints the table
    python -m benchmarks.sensitivity --document docs/metrics.md    # and writes it there

The systems are the real clips encoded again (H.264 crf 28), a still picture, and the model that
the package ships; without it, the real clips blurred. Everything is `dawn generate`'s, `dawn
evaluate --sensitivity`'s and `dawn leaderboard`'s own code; metrics whose weights are absent have
no line.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.inputs import make_dataset
from benchmarks.report import Report, arguments, is_smoke, parse
from dawn.pretrained import SMALL
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
from pipeline.cluster.tasks import InProcess
from pipeline.evaluate.command import EvaluateOptions, run_evaluate
from pipeline.evaluate.sensitivity import Sensitivity
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.worker import Maker

BEGIN, END = "<!-- sensitivity: begin -->", "<!-- sensitivity: end -->"
METRICS = "lip_audio_corr,m_lmd,psnr,ssim,flicker,pose_std,head_jerk,fd_pose,face_rate"
SOFT = Change(title="blurred", picture=lambda picture, _: blurred(picture))


def blurred(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.5), np.uint8)


def rewritten(dataset: Dataset, out: Path, change: Change) -> None:
    """The real clips with a change."""
    out.mkdir()
    settings = ClipSettings(card=ProtocolCard(name="native"))
    for row in rows(dataset, "SELECT clip_id, video_path FROM clips WHERE accepted"):
        clip = Clip(Path(dataset.path) / row["video_path"], settings)
        changed(clip, change, out / f"{row['clip_id']}.mkv")


def generated(dataset: Dataset, out: Path, steps: int) -> None:
    """What the shipped model makes of each clip's first frame and sound."""
    options = ManyOptions(
        config=GenerateConfig(method="ddim", steps=steps), checkpoint=SMALL, out=str(out),
        dataset=dataset.uri, device="cpu",
    )  # fmt: skip
    generate_many(options, OneHere(Maker, plan_run(options).task))


def measured(root: Path, people: int, seconds: float, steps: int) -> tuple[list[Fragility], int]:
    """The table's lines, and of how many clips they are."""
    dataset = Dataset(make_dataset(root, dict.fromkeys(range(11, 11 + people), "test"), seconds))
    rewritten(dataset, root / "encoded", CHANGES["h264_crf28"])
    third = "shipped model", {"run": str(root / "third")}
    if SMALL.is_dir():
        generated(dataset, root / "third", steps)
    else:
        third = "real, blurred 1.5 px", {"videos": str(root / "third")}
        rewritten(dataset, root / "third", SOFT)
    names = tuple(CHANGES)[:2] if is_smoke() else tuple(CHANGES)
    folders = []
    for system, source in (
        ("real, crf 28", {"videos": str(root / "encoded")}),
        ("still picture", {"baseline": "static"}),
        third,
    ):
        folders.append(str(root / "results" / system))
        run_evaluate(
            EvaluateOptions(
                reference=f"{dataset.uri}:test", out=folders[-1], metrics=METRICS, system=system,
                device="cpu", sensitivity=Sensitivity(share=1, changes=names), **source,
            ),
            InProcess(),
        )  # fmt: skip
    found = [load_results(folder) for folder in folders]
    board = with_fragility(make_board(grouped(found), BoardSettings(gallery=0)))
    return board.sheets[0].fragility, len(found[0].clips)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.8, help="length of each clip")
    parser.add_argument("--steps", type=int, default=5, help="denoising steps of the model")
    parser.add_argument("--document", type=Path)
    options = parse(parser, people=1, seconds=2.0, steps=1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        size = options.people, options.seconds, options.steps
        found, clips = measured(Path(scratch), *size)
    table = "\n".join(as_table(found))
    print(table)
    report = Report("sensitivity")
    for one in found:
        for card in one.cards:
            name = f"{one.definition.name}, {card.system}"
            report.figure(name, card.spread, one.definition.unit, floor=card.width)
    if options.document is not None:
        text = (
            f"{clips} rendered clips of {options.seconds:g} s, all measured again under "
            f"{len(CHANGES)} changes. Made by `python -m benchmarks.sensitivity`.\n\n{table}"
        )
        document = options.document.read_text(encoding="utf-8")
        options.document.write_text(updated(document, text, BEGIN, END), encoding="utf-8")


if __name__ == "__main__":
    main()
