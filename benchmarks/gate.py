"""How often does the gate cry wolf, and how often does it miss? Measured on damaged videos.

    python -m benchmarks.gate --out WORK      # a camera with grain films 20 rendered people
    python -m benchmarks.gate --out WORK --runs A B C --reference DATA:all   # your own checkpoint

The first takes about an hour on one core. The system is a camera: pieces of 2 s of rendered
people, with fresh grain by seed. With --runs it is what `dawn generate` made of a dataset by
several seeds of one checkpoint. A/A holds one seed against another. Each damage holds damaged
pieces of one seed against another seed's whole ones. Then people are drawn with replacement until
there are 50 clips, 200 times each, and the verdicts are counted. Set metrics are judged once, on
all clips.
"""

import argparse
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.damage import CARD, landmarks, read, write
from benchmarks.inputs import render_people
from benchmarks.report import Report, arguments, parse
from dawn.features.rates import SAMPLES_PER_FRAME
from dawn.features.video.probe import probe
from eval import damage
from eval.gate.margins import Gate, read_gate
from eval.gate.regression import Judgement, judge
from eval.metrics.catalogue import METRICS, is_set
from eval.results.conditions import Conditions
from eval.results.pairing import Generated, Reference, match
from eval.results.scores import Results, load_results
from pipeline.cluster.executor import InProcess
from pipeline.evaluate.inputs import read_references, read_run
from pipeline.evaluate.run import Evaluation, evaluate, results_folder

PEOPLE, PIECES, FRAMES = 20, 3, 50
DRAWN, FEW = 50, 6
Pictures = NDArray[np.uint8]
Take = tuple[Pictures, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Injected:
    """A damage, from a piece's pictures and another person's, and what is to notice it: any of
    `right`, beginnings of names of metrics or guards, set down before anything was measured.
    """

    of: Callable[[Pictures, Pictures], damage.Damage]
    right: tuple[str, ...]


SYNC = ("lse_", "asd_margin", "lip_audio_corr")
DAMAGES = {
    "sound 5 frames late": Injected(lambda *_: damage.delay_sound(5), SYNC),
    "blur 2 px": Injected(lambda *_: damage.blur(2), ("ms_ssim", "fid_", "fvd")),
    "frozen": Injected(lambda *_: damage.freeze, ("validity: pictures move",)),
    "frozen mouth": Injected(
        lambda own, _: damage.freeze_mouth(landmarks(own)),
        (*SYNC, "m_lmd_iod", "thl_lip_dynamics", "validity: mouth moves"),
    ),
    "another face": Injected(lambda _, other: damage.swap_identity(other), ("csim_src_",)),
    "every 5th frame missing": Injected(
        lambda *_: damage.drop_frames(5), (*SYNC, "ms_ssim", "m_lmd_iod")
    ),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """So many frames of a person's real video, and of what each seed made of it; none: a camera."""

    person: int
    number: int
    real: str
    made: tuple[str, ...] = ()
    frames: int = FRAMES

    @property
    def speaker(self) -> str:
        return f"person{self.person:02d}"

    @property
    def name(self) -> str:
        return f"{self.speaker}-{self.number}"

    def of(self, video: str) -> Take:
        first = self.frames * self.number
        pictures, sound = read(Path(video), first + self.frames)
        return pictures[first:], sound[first * SAMPLES_PER_FRAME :]

    def by(self, seed: int) -> Take:
        """What the system makes of it."""
        if self.made:
            return self.of(self.made[seed - 1])
        return _grain(self.of(self.real), seed * 1000 + self.person * 10 + self.number)


def filmed(out: Path, people: int, pieces: int, frames: int) -> list[Piece]:
    """Render the people that are not there yet, and cut them."""
    films = render_people(out / "people", range(people), frames * pieces / 25 + 0.2)
    return [
        Piece(n, k, str(film), frames=frames) for n, film in enumerate(films) for k in range(pieces)
    ]


def generated(runs: list[str], reference: str) -> list[Piece]:
    """Pieces of the clips that every run has and that are long enough; a clip is a person."""
    real = {clip.name: clip.video for clip in read_references(reference)[0]}
    videos = [{g.name: g.video for g in read_run(run)[0] if g.video} for run in runs]
    found = []
    for number, name in enumerate(sorted(set(real).intersection(*videos))):
        files = tuple(str(of_run[name]) for of_run in videos)
        shortest = min(probe(Path(file)).frames for file in (real[name], *files))
        count = min(PIECES, shortest // FRAMES)
        found += [Piece(number, k, real[name], files) for k in range(count)]
    return found


def make_system(out: Path, name: str, pieces: list[Piece], seed: int, how: str | None) -> Results:
    """Write a seed's pieces, damaged or not, and evaluate them."""
    results = results_folder(str(out / "results" / name))
    for folder in ("real", name):
        (out / "videos" / folder).mkdir(parents=True, exist_ok=True)
    if not (results.exists and results.info().get("complete")):
        others = [*pieces[PIECES:], *pieces[:PIECES]]
        made, references = [], []
        for piece, other in zip(pieces, others, strict=True):
            real = out / "videos" / "real" / f"{piece.name}.mp4"
            video = out / "videos" / name / real.name
            if not real.exists():
                write(real, piece.of(piece.real))
            if not video.exists():
                take = piece.by(seed)
                write(video, DAMAGES[how].of(take[0], other.by(seed)[0])(*take) if how else take)
            made.append(Generated(name=piece.name, video=str(video)))
            references.append(Reference(name=piece.name, video=str(real), speaker=piece.speaker))
        conditions = Conditions.resolve(CARD)
        gate = {entry.metric for entry in read_gate(None).gates}
        can = [m.definition.name for m in METRICS if conditions.standing(m.definition.name).hash]
        evaluate(
            Evaluation(
                pairing=match(made, references), conditions=conditions,
                wanted=tuple(n for n in can if n in gate or n == "flicker"),  # a guard's
                system=name, reference="gate",
            ),
            results, InProcess(),
        )  # fmt: skip
    return load_results(results.uri)


def _grain(take: Take, seed: int) -> Take:
    pictures, sound = take
    noise = np.random.default_rng(seed).normal(0, 3, pictures.shape)
    return np.clip(pictures + noise, 0, 255).astype(np.uint8), sound


def drawn(
    before: Results, after: Results, clips: int, random: np.random.Generator
) -> tuple[Results, Results]:
    """People with replacement, all their clips, until there are so many clips."""
    people = sorted({str(s) for s in before.speakers})
    of = {p: [i for i, s in enumerate(before.speakers) if str(s) == p] for p in people}
    places: list[int] = []
    names: list[str] = []
    while len(places) < clips:
        person = people[random.integers(len(people))]
        places += of[person]
        names += [f"{person} {len(names)}"] * len(of[person])
    chosen = np.array(places[:clips])

    def renamed(results: Results) -> Results:
        part = results.subset(chosen)
        rows = [{**c, "speaker": n} for c, n in zip(part.clips, names, strict=False)]
        return replace(part, clips=rows)

    return renamed(before), renamed(after)


@dataclass(slots=True)
class Rates:
    """What became of so many drawn sets of clips."""

    verdicts: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    """Metrics and guards, by how often they failed."""
    right: int = 0
    """How often one failed that was to notice the damage."""


def rates(
    pairs: list[tuple[Results, Results]],
    gate: Gate,
    clips: int,
    times: int,
    right: tuple[str, ...] = (),
) -> Rates:
    """Verdicts, and what failed, over `times` drawn sets of clips."""
    random, found = np.random.default_rng(7), Rates()
    for number in range(times):
        judged: Judgement = judge(*drawn(*pairs[number % len(pairs)], clips, random), gate)
        names = {
            row.name if row.kind == "metric" else f"{row.kind}: {row.name}"
            for row in judged.findings
            if row.verdict == "FAIL"
        }
        found.verdicts[judged.verdict] += 1
        found.failed.update(names)
        found.right += any(name.startswith(right) for name in names) if right else 0
    return found


def say(report: Report, name: str, found: Rates, whole: Judgement | None = None) -> None:
    """How often each verdict fell, and by what."""
    total = found.verdicts.total()
    text = ", ".join(f"{v} {found.verdicts[v] / total:.1%}" for v in _VERDICTS)
    print(f"{name}: {text}; by what is to notice it {found.right / total:.1%}", flush=True)
    causes = [f"{cause} {count / total:.0%}" for cause, count in found.failed.most_common()]
    print(f"  failed: {', '.join(causes) or 'nothing'}", flush=True)
    for verdict in _VERDICTS:
        report.figure(f"{name}: {verdict}", 100 * found.verdicts[verdict] / total, "% of draws")
    report.figure(f"{name}: noticed by the right one", 100 * found.right / total, "% of draws")
    if whole is not None:
        rows = [r for r in whole.findings if r.kind == "metric" and is_set(_METRIC[r.name])]
        for row in rows:
            print(f"  all clips: {row.verdict} {row.name} {row.before:.4g} -> {row.after:.4g}")
            report.figure(f"{name}: {row.name}", row.after, row.name, floor=row.before)


_VERDICTS = ("PASS", "INCONCLUSIVE", "FAIL")
_METRIC = {metric.definition.name: metric for metric in METRICS}


def judged(report: Report, pieces: list[Piece], out: Path, options: argparse.Namespace) -> None:
    """Seeds against each other, then damaged pieces against whole ones."""
    gate = read_gate(None)
    clips_only = replace(gate, gates=tuple(g for g in gate.gates if not is_set(_METRIC[g.metric])))
    count = len(options.runs) or options.seeds
    seeds = [make_system(out, f"seed {s}", pieces, s, None) for s in range(1, count + 1)]
    pairs = list(itertools.permutations(seeds, 2))
    say(report, "A/A", rates(pairs, clips_only, DRAWN, options.draws), judge(*pairs[0], gate))
    say(report, f"A/A, {FEW} clips", rates(pairs, clips_only, FEW, options.draws))
    for name in options.damages:
        hurt, right = make_system(out, name, pieces, 2, name), DAMAGES[name].right
        against = [(seeds[0], hurt)]
        found = rates(against, clips_only, DRAWN, options.draws, right)
        say(report, name, found, judge(seeds[0], hurt, gate))
        found = rates(against, clips_only, FEW, options.draws, right)
        say(report, f"{name}, {FEW} clips", found)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--out", type=Path, help="where to work; kept")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--people", type=int, default=PEOPLE, help="that are rendered")
    parser.add_argument("--pieces", type=int, default=PIECES, help="of each")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of a rendered piece")
    parser.add_argument("--seeds", type=int, default=3, help="of the camera")
    parser.add_argument("--damages", nargs="*", choices=DAMAGES, default=list(DAMAGES))
    parser.add_argument("--runs", nargs="+", default=[], help="one checkpoint's runs by seed")
    parser.add_argument("--reference", help="the real clips of --runs, DATASET:SPLIT")
    options = parse(
        parser, draws=1, people=2, pieces=1, frames=20, seeds=2, damages=["sound 5 frames late"]
    )
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or Path(scratch)
        if options.runs:
            pieces = generated(options.runs, options.reference)
        else:
            pieces = filmed(out, options.people, options.pieces, options.frames)
        judged(Report("gate"), pieces, out, options)


if __name__ == "__main__":
    main()
