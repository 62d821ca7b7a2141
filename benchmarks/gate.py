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
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from damage import CARD, read, write
from learn import PEOPLE, render_person
from numpy.typing import NDArray

from eval import damage
from eval.conditions import Conditions
from eval.gate import Gate, read_gate
from eval.metrics.catalogue import METRICS, is_set, select
from eval.pairing import Generated, Reference, match
from eval.regression import Judgement, judge
from eval.scores import Results, load_results
from pipeline.evaluate import Evaluation, evaluate, results_folder
from pipeline.executor import InProcess

FRAMES, PIECES, DRAWN = 50, 3, 50
DAMAGES: dict[str, Callable[..., damage.Damage]] = {
    "sound 5 frames late": lambda _: damage.delay_sound(5),
    "blur 2 px": lambda _: damage.blur(2),
    "frozen": lambda _: damage.freeze,
    "another face": damage.swap_identity,
    "every 5th frame missing": lambda _: damage.drop_frames(5),
}


def take_of(person: Path, piece: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    pictures, sound = read(person, FRAMES * (piece + 1))
    return pictures[piece * FRAMES :], sound[piece * FRAMES * 640 :]


def make_pieces(out: Path) -> dict[str, tuple[Path, int, int]]:
    """Render the people; returns clip name -> (video, piece, person)."""
    folder = out / "people"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(PEOPLE) if not (folder / f"person{n:02d}.mp4").exists()]
    seconds = FRAMES * PIECES / 25 + 0.2
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        tasks = [[folder] * len(missing), missing, [seconds] * len(missing)]
        list(pool.map(render_person, *tasks))
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
                    take = DAMAGES[how](take_of(other[0], other[1])[0])(*take)
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


def _grain(
    take: tuple[NDArray[np.uint8], NDArray[np.float32]], seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    pictures, sound = take
    noise = np.random.default_rng(seed).normal(0, 3, pictures.shape)
    return np.clip(pictures + noise, 0, 255).astype(np.uint8), sound


def drawn(
    before: Results, after: Results, clips: int, random: np.random.Generator
) -> tuple[Results, Results]:
    """People with replacement, all their clips, until there are so many clips."""
    people = sorted({str(s) for s in before.speakers})
    of = {p: [i for i, s in enumerate(before.speakers) if str(s) == p] for p in people}
    places, names = [], []
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


def rates(
    pairs: list[tuple[Results, Results]], gate: Gate, clips: int, times: int
) -> tuple[Counter[str], Counter[str]]:
    """Verdicts, and what failed, over `times` drawn sets of clips."""
    random, verdicts, failed = np.random.default_rng(7), Counter[str](), Counter[str]()
    for number in range(times):
        judged: Judgement = judge(*drawn(*pairs[number % len(pairs)], clips, random), gate)
        verdicts[judged.verdict] += 1
        failed.update(
            {row.name if row.kind == "metric" else f"{row.kind}: {row.name}"
             for row in judged.findings if row.verdict == "FAIL"}
        )  # fmt: skip
    return verdicts, failed


def say(
    name: str, verdicts: Counter[str], failed: Counter[str], whole: Judgement | None = None
) -> None:
    total = verdicts.total()
    text = ", ".join(f"{v} {verdicts[v] / total:.1%}" for v in ("PASS", "INCONCLUSIVE", "FAIL"))
    causes = ", ".join(f"{cause} {count / total:.0%}" for cause, count in failed.most_common(8))
    print(f"{name}: {text}" + (f"; failed: {causes}" if causes else ""), flush=True)
    if whole is not None:
        rows = [r for r in whole.findings if r.kind == "metric" and is_set(_METRIC[r.name])]
        for row in rows:
            print(f"  all clips: {row.verdict} {row.name} {row.before:.4g} -> {row.after:.4g}")


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
        say("A/A of --more", *rates(pairs, clips_only, DRAWN, options.draws))
        return
    out = options.out or Path(tempfile.mkdtemp(prefix="dawn-gate-"))
    pieces = make_pieces(out)
    make_system(out, "real", pieces, None, "none")
    seeds = [make_system(out, f"seed {s}", pieces, s, "none") for s in (1, 2, 3)]
    pairs = list(itertools.permutations(seeds, 2))
    say("A/A", *rates(pairs, clips_only, DRAWN, options.draws), judge(*pairs[0], gate))
    say("A/A, 6 clips", *rates(pairs, clips_only, 6, options.draws))
    for name in DAMAGES:
        hurt = make_system(out, name, pieces, 2, name)
        say(name, *rates([(seeds[0], hurt)], clips_only, DRAWN, options.draws),
            judge(seeds[0], hurt, gate))  # fmt: skip
        say(f"{name}, 6 clips", *rates([(seeds[0], hurt)], clips_only, 6, options.draws))


if __name__ == "__main__":
    main()
