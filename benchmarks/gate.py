"""How often does the gate cry wolf, and how often does it miss? Measured on damaged videos.

    python benchmarks/gate.py --out RUN      # renders 20 people, damages, evaluates: ~30 minutes

The system is a camera with grain: rendered people in pieces of 2 s, with fresh noise by seed.
A/A holds one seed against another. Each damage holds damaged pieces against another seed's whole
ones. Then people are drawn with replacement until there are 50 clips, 200 times each, and the
verdicts are counted. Set metrics are judged once, on all clips. Results of other systems take
part with --more A B …: folders of one checkpoint by several seeds, held against each other.
"""

import argparse
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from damage import CARD, landmarks, read, write
from numpy.typing import NDArray

from dawn.synthetic.footage import Kind, render_clip
from eval import damage
from eval.conditions import Conditions
from eval.gate import Gate, read_gate
from eval.metrics.catalogue import METRICS, is_set, select
from eval.pairing import Generated, Reference, match
from eval.regression import Judgement, judge
from eval.scores import Results, load_results
from pipeline.evaluate import Evaluation, evaluate, results_folder
from pipeline.executor import InProcess

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


def render_person(folder: Path, number: int, seconds: float) -> None:
    kind = Kind(f"person{number:02d}", "a talking head", people=(number,))
    render_clip(folder / f"{kind.name}.mp4", kind, seconds=seconds)


def take_of(person: Path, piece: int) -> Take:
    pictures, sound = read(person, FRAMES * (piece + 1))
    return pictures[piece * FRAMES :], sound[piece * FRAMES * 640 :]


def make_pieces(out: Path) -> dict[str, tuple[Path, int, int]]:
    """Render the people; returns clip name -> (video, piece, person)."""
    folder = out / "people"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(PEOPLE) if not (folder / f"person{n:02d}.mp4").exists()]
    seconds = FRAMES * PIECES / 25 + 0.2
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        count = len(missing)
        list(pool.map(render_person, [folder] * count, missing, [seconds] * count))
    return {
        f"person{n:02d}-{piece}": (folder / f"person{n:02d}.mp4", piece, n)
        for n in range(PEOPLE)
        for piece in range(PIECES)
    }


def make_system(
    out: Path, name: str, pieces: dict[str, tuple[Path, int, int]], seed: int | None, how: str
) -> Results:
    """Write the videos of a system and evaluate them; `seed` None: the real clips' own files."""
    folder, results = out / "videos" / name, results_folder(str(out / "results" / name))
    folder.mkdir(parents=True, exist_ok=True)
    if not (results.exists and results.info().get("complete")):
        others = [*list(pieces.values())[PIECES:], *list(pieces.values())[:PIECES]]
        made, references = [], []
        for (clip, (video, piece, person)), other in zip(pieces.items(), others, strict=True):
            real = out / "videos" / "real" / f"{clip}.mp4"
            take = take_of(video, piece)
            if seed is not None:
                take = _grain(take, seed * 1000 + person * 10 + piece)
                if how != "none":
                    take = DAMAGES[how].of(take[0], take_of(other[0], other[1])[0])(*take)
                target = folder / f"{clip}.mp4"
                if not target.exists():
                    write(target, take)
                made.append(Generated(name=clip, video=str(target)))
            elif not real.exists():
                real.parent.mkdir(parents=True, exist_ok=True)
                write(real, take)
            references.append(Reference(name=clip, video=str(real), speaker=f"person{person:02d}"))
        if seed is None:
            made = [Generated(name=r.name, video=r.video) for r in references]
        conditions = Conditions.resolve(CARD)
        can = [m.definition.name for m in METRICS if conditions.standing(m)[0] != "unavailable"]
        evaluate(
            Evaluation(
                pairing=match(made, references), conditions=conditions,
                wanted=tuple(n for n in select(["all"]) if n in can), system=name,
                reference="gate",
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


def say(name: str, found: Rates, whole: Judgement | None = None) -> None:
    total = found.verdicts.total()
    text = ", ".join(f"{v} {found.verdicts[v] / total:.1%}" for v in _VERDICTS)
    print(f"{name}: {text}; by what is to notice it {found.right / total:.1%}", flush=True)
    causes = [f"{cause} {count / total:.0%}" for cause, count in found.failed.most_common()]
    print(f"  failed: {', '.join(causes) or 'nothing'}", flush=True)
    if whole is not None:
        rows = [r for r in whole.findings if r.kind == "metric" and is_set(_METRIC[r.name])]
        for row in rows:
            print(f"  all clips: {row.verdict} {row.name} {row.before:.4g} -> {row.after:.4g}")


_VERDICTS = ("PASS", "INCONCLUSIVE", "FAIL")
_METRIC = {metric.definition.name: metric for metric in METRICS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where to work; kept")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--more", nargs="*", default=[], help="results of one checkpoint's seeds")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    gate = read_gate(None)
    clips_only = replace(gate, gates=tuple(g for g in gate.gates if not is_set(_METRIC[g.metric])))
    if options.more:
        pairs = list(itertools.permutations([load_results(f) for f in options.more], 2))
        say("A/A of --more", rates(pairs, clips_only, DRAWN, options.draws))
        return
    out = options.out or Path(tempfile.mkdtemp(prefix="dawn-gate-"))
    pieces = make_pieces(out)
    make_system(out, "real", pieces, None, "none")
    seeds = [make_system(out, f"seed {s}", pieces, s, "none") for s in (1, 2, 3)]
    pairs = list(itertools.permutations(seeds, 2))
    say("A/A", rates(pairs, clips_only, DRAWN, options.draws), judge(*pairs[0], gate))
    say(f"A/A, {FEW} clips", rates(pairs, clips_only, FEW, options.draws))
    for name, injected in DAMAGES.items():
        hurt = make_system(out, name, pieces, 2, name)
        against = [(seeds[0], hurt)]
        found = rates(against, clips_only, DRAWN, options.draws, injected.right)
        say(name, found, judge(seeds[0], hurt, gate))
        found = rates(against, clips_only, FEW, options.draws, injected.right)
        say(f"{name}, {FEW} clips", found)


if __name__ == "__main__":
    main()
