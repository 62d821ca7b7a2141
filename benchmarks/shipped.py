"""The model that the package ships: is it what its card says?

    python -m benchmarks.shipped                  # measures it on people it never saw
    python -m benchmarks.shipped --model RUN/model --pack DIR    # measures another, then packs it
    python -m benchmarks.shipped --train RUN --device cuda --pack DIR    # trains that other first

Renders test people, makes a video of each from its first frame and its sound, and measures these
with `dawn generate`'s and `dawn evaluate`'s own code, beside the footage and a still picture. The
numbers of the card are in `dawn/pretrained/small.json`; a number that differs from its
card's by more than TOLERANCE is told, with exit code 1. With --smoke one short video is made.
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.inputs import make_dataset
from benchmarks.learn import SMALLEST, VALIDATION, WHOLE, train
from benchmarks.report import Report, arguments, is_smoke, parse
from dawn.checkpoints import pack
from dawn.pretrained import SAMPLER, SMALL
from dawn.sampling.settings import GenerateConfig
from eval.api import load
from manifests.store import Dataset
from pipeline.cluster.actors import OneHere
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.command import EvaluateOptions, run_evaluate
from pipeline.generate.command import ManyOptions, generate_many, plan_run
from pipeline.generate.worker import Maker

PEOPLE = (11, 12, 14)
"""Rendered people that training and the choice of checkpoints never saw."""
OF_THE_DEMO = (0, 3, 4, 5, 7, 8)
"""People of `dawn demo`'s footage, which training does not see either."""
METRICS = "lip_audio,blink_rate,csim,m_lmd,psnr,ssim,pose_std,face_rate"
TOLERANCE = 0.05
"""Of a number's size: another processor rounds differently, and what is rendered follows."""


def trained(out: Path, device: str) -> Path:
    """A model of the preset `small` by the recipe of the card, on footage rendered here; what is in
    `out` already is gone on with.
    """
    if is_smoke():
        splits, seconds, size = SMALLEST.splits, 2.0, SMALLEST
    else:
        people = (n for n in range(40) if n not in PEOPLE + OF_THE_DEMO)
        splits = {n: "val" if n in VALIDATION else "train" for n in people}
        seconds, size = 24.0, WHOLE
    root = make_dataset(out, splits, seconds, processes=1 if is_smoke() else 2)
    train(out, root, 0.0 if is_smoke() else 1.0, size, "small", device)
    return out / "model"


def measure(model: Path, out: Path, seconds: float, steps: int) -> dict[str, dict[str, float]]:
    """System -> metric -> value; with the footage's own values as system `footage`."""
    people = PEOPLE[:1] if is_smoke() else PEOPLE
    dataset = Dataset(make_dataset(out, dict.fromkeys(people, "test"), seconds))
    found: dict[str, dict[str, float]] = {}
    for system, baseline in (("model", None), ("static", "static")):
        options = ManyOptions(
            config=GenerateConfig(**SAMPLER | {"steps": steps}), checkpoint=model,
            out=str(out / system), dataset=dataset.uri, baseline=baseline, device="cpu",
        )  # fmt: skip
        generate_many(options, OneHere(Maker, plan_run(options).task))
        results = out / f"results-{system}"
        run_evaluate(
            EvaluateOptions(
                reference=f"{dataset.uri}:test", out=str(results), run=str(out / system),
                metrics=METRICS, system=system, device="cpu",
            ),
            InProcess(),
        )  # fmt: skip
        rows = load(str(results)).set_index("metric")
        found[system] = rows["value"].dropna().to_dict()
        found["footage"] = rows["reference"].dropna().to_dict()
    return found


def say(report: Report, found: dict[str, dict[str, float]], card: dict[str, float]) -> list[str]:
    """A row a metric; what differs from the card."""
    print("\n| metric | model | still picture | footage | card |\n|---|---|---|---|---|")
    differ = []
    for metric, value in found["model"].items():
        others = (found[name].get(metric) for name in ("static", "footage"))
        told = card.get(metric)
        cells = ("" if v is None else f"{v:.3f}" for v in (value, *others, told))
        print(f"| {metric} | {' | '.join(cells)} |")
        report.figure(metric, value, "", floor=found["static"].get(metric), card=told)
        if told is not None and abs(value - told) > TOLERANCE * max(abs(told), 0.1):
            differ.append(f"{metric} {value:.3f} instead of {told:.3f}")
    return differ


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path, default=SMALL)
    parser.add_argument("--train", type=Path, help="train one like it in this folder: the model")
    parser.add_argument("--device", default="cpu", help="what --train trains on")
    parser.add_argument("--pack", type=Path, help="write a half-precision copy and its numbers")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each video")
    parser.add_argument("--steps", type=int, default=SAMPLER["steps"], help="denoising steps")
    parser.add_argument("--out", type=Path, help="where to work; kept. Else a temporary folder")
    options = parse(parser, seconds=2.0, steps=1)
    if options.train:
        options.model = trained(options.train, options.device)
    if options.pack:
        pack(options.model, options.pack)
        options.model = options.pack
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(options.model, options.out or Path(scratch), options.seconds, options.steps)
    path = options.model.with_suffix(".json")
    if options.pack:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    card = {} if is_smoke() else known.get("model", {})
    differ = say(Report("shipped"), found, card)
    if differ:
        sys.exit(f"{options.model}: {'; '.join(differ)}")


if __name__ == "__main__":
    main()
