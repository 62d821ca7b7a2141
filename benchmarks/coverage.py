"""How often do 95 % intervals hold the truth, clustered speakers included?

    python -m benchmarks.coverage          # both of
    python -m benchmarks.coverage clips    # mean, pooled mean, median, paired gains: ~10 minutes
    python -m benchmarks.coverage sets     # gains of Fréchet and kernel distances: ~10 minutes

Speakers are drawn anew in every simulation, each with its clips; a speaker's clips share `icc` of
their variance. Skewed values are exponential, speakers' shares as well. The truth is known, or of
a million clips. Of set distances the truth is the mean over many sets of the same size: distances
depend on the size, and their intervals speak of this size.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report, arguments, parse
from eval.metrics.face_distance import FACE_DISTANCE
from eval.metrics.interface import Features
from eval.metrics.set_distances import SetDistance, frechet, kernel
from eval.protocol.card import ProtocolCard
from eval.results.comparison import compare_sets
from eval.statistics.intervals import (
    FEW_SPEAKERS,
    Statistic,
    bounds,
    draws,
    groups,
    weighted_mean,
    weighted_median,
)

F64 = NDArray[np.float64]
Random = np.random.Generator

SIZES: dict[str, tuple[int, ...]] = {
    "1": (1,),
    "5": (5,),
    "1 to 9": (1, 3, 5, 7, 9),
    "1 to 20": (1, 1, 1, 2, 20),
}
"""Clips a speaker has, in turn."""
SHAPES = list(itertools.product((False, True), (0.0, 0.5)))
"""Skewed or not, and the share of variance that a speaker's clips have in common."""


def noise(random: Random, count: int, skewed: bool) -> F64:
    """Mean 0, variance 1."""
    return random.exponential(1, count) - 1 if skewed else random.normal(0, 1, count)


def clustered(random: Random, of_clip: NDArray[np.intp], icc: float, skewed: bool) -> F64:
    """A value a clip: mean 0, variance 1."""
    speakers = noise(random, int(of_clip.max()) + 1, skewed)[of_clip]
    clips = noise(random, len(of_clip), skewed)
    return np.sqrt(icc) * speakers + np.sqrt(1 - icc) * clips


def cases(random: Random, value: Callable[[], F64]) -> dict[str, tuple[Statistic, float | None]]:
    """Statistics of one simulation, and their truths; None: of a million clips."""
    own = value()
    weights = random.integers(20, 180, len(own)).astype(float)  # like frames: 20 … 179
    mean, variance = 99.5, (160**2 - 1) / 12
    leaning = own + 0.5 * (weights / mean - 1)  # longer clips have more of it
    before, after, real = own + value() + 1, own + value() + 0.8, own + value()
    old, new, target = (weighted_mean(values) for values in (before, after, real))
    return {
        "mean": (weighted_mean(own), 0.0),
        "pooled mean": (weighted_mean(leaning, weights), 0.5 * variance / mean**2),
        "median": (weighted_median(own), None),
        "paired gain": (lambda times: old(times) - new(times), 0.2),
        "paired gain in closeness": (
            lambda times: abs(old(times) - target(times)) - abs(new(times) - target(times)), 0.2
        ),
    }  # fmt: skip


def covered(
    speakers: int, sizes: tuple[int, ...], icc: float, skewed: bool, simulations: int
) -> dict[str, float]:
    """Share of simulations in which each statistic's interval holds the truth."""
    random = np.random.default_rng([speakers, sum(sizes), int(10 * icc), skewed])
    of_clip = np.repeat(np.arange(speakers), np.resize(sizes, speakers))
    many = clustered(random, np.arange(1_000_000) // 2, icc, skewed)
    median = float(np.median(many[::2]))
    group = groups([f"s{s}" for s in of_clip])
    times = draws(group)
    held: dict[str, int] = {}
    for _ in range(simulations):
        of_case = cases(random, lambda: clustered(random, of_clip, icc, skewed))
        for name, (statistic, truth) in of_case.items():
            truth = median if truth is None else truth
            low, high = bounds(statistic(times), group, 0.025)
            held[name] = held.get(name, 0) + (low <= truth <= high)
    return {name: count / simulations for name, count in held.items()}


def clips(report: Report, simulations: int, people: Sequence[int], sizes: Sequence[str]) -> None:
    """A table a statistic, and each cell's figure."""
    rows: dict[str, list[str]] = {}
    for speakers, name in itertools.product(people, sizes):
        shapes = SHAPES if name != "1" else SHAPES[::2]  # alone, there is nothing to share
        found = [covered(speakers, SIZES[name], icc, skewed, simulations) for skewed, icc in shapes]
        for statistic in found[0]:
            for (skewed, icc), held in zip(shapes, found, strict=True):
                values = f"{'skewed' if skewed else 'normal'} values, icc {icc:g}"
                case = f"{statistic}, {speakers} speakers of {name} clips, {values}"
                report.figure(case, 100 * held[statistic], "% covered", floor=PROMISED)
            shares = [f"{100 * shares[statistic]:.1f}" for shares in found]
            if name == "1":
                shares = [shares[0], "–", shares[1], "–"]
            line = f"| {speakers} | {name} | " + " | ".join(shares) + " |"
            rows.setdefault(statistic, []).append(line)
        print(f"{speakers} speakers of {name} clips done", flush=True)
    for statistic, lines in rows.items():
        print(f"\n{statistic}, % of {simulations} simulations\n")
        print("| speakers | clips each | normal, icc 0 | 0.5 | skewed, icc 0 | 0.5 |")
        print("|---|---|---|---|---|---|\n" + "\n".join(lines))


PROMISED = 95.0
"""What the intervals say that they cover, in %; the floor of the figures."""
ROWS = 10
"""A clip's feature rows."""


def set_case(
    random: Random, who: NDArray[np.intp], size: int, shifts: tuple[float, ...]
) -> list[list[Features]]:
    """Rows of the same clips by several systems: of a row's variance a quarter is the person's,
    a tenth each the person's and the clip's in this system.
    """
    scale = np.exp(-np.arange(size) / size)
    people = random.normal(0, 1, (who.max() + 1, 1, size))[who]
    sides = []
    for shift in shifts:
        own = random.normal(0, 1, (who.max() + 1, 1, size))[who]
        clip = random.normal(0, 1, (len(who), 1, size))
        rows = random.normal(0, 1, (len(who), ROWS, size))
        mixed = 0.5 * people + np.sqrt(0.1) * (own + clip) + np.sqrt(0.55) * rows + shift
        sides.append(list((mixed * scale).astype(np.float32)))
    return sides


def set_cell(
    metric: SetDistance, speakers: int, clips_each: int, size: int, simulations: int
) -> tuple[float, float, float, float]:
    """Mean gain, how often its interval holds it, how often that of equal systems holds 0, and how
    often one of two equal systems is surely worse at 5 %.
    """
    card = ProtocolCard(name="coverage")
    random = np.random.default_rng([size, speakers, clips_each])
    of_clip = np.repeat(np.arange(speakers), clips_each)
    names = [f"clip{i:04d}" for i in range(len(of_clip))]
    who: dict[str, str | None] = {n: f"s{s}" for n, s in zip(names, of_clip, strict=True)}
    better, equal, alarms = [], 0, 0
    for _ in range(simulations):
        before, after, same, real = (
            dict(zip(names, side, strict=True))
            for side in set_case(random, of_clip, size, (0.4, 0.2, 0.4, 0.0))
        )
        result = compare_sets(metric, before, after, real, who, card)
        better.append((result.gain, *result.bounds(0.025)))
        result = compare_sets(metric, before, same, real, who, card)
        low, high = result.bounds(0.025)
        equal += low <= 0 <= high
        alarms += result.p_worse < 0.05
    gains, lows, highs = np.array(better).T
    truth = float(gains.mean())
    held = float(np.mean((lows <= truth) & (truth <= highs)))
    return truth, held, equal / simulations, alarms / simulations


def sets(
    report: Report, simulations: int, people: Sequence[tuple[int, int]], dimensions: Sequence[int]
) -> None:
    """The table, and each row's figures."""
    print(f"% of {simulations} simulations\n")
    print("| distance | dimensions | speakers | clips each | gain | covered | equal | alarms |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    distances = {"Fréchet": frechet, "kernel": kernel}
    for (name, between), size, (speakers, each) in itertools.product(
        distances.items(), dimensions, people
    ):
        metric = SetDistance(FACE_DISTANCE.definition, FACE_DISTANCE.feature, between)
        truth, *shares = set_cell(metric, speakers, each, size, simulations)
        held, equal, alarms = (100 * share for share in shares)
        print(
            f"| {name} | {size} | {speakers} | {each} | {truth:.2g} | {held:.1f} | {equal:.1f} "
            f"| {alarms:.1f} |",
            flush=True,
        )
        case = f"{name}, {size} dimensions, {speakers} speakers of {each} clips"
        report.figure(f"{case}: gain", held, "% covered", floor=PROMISED)
        report.figure(f"{case}: equal systems", equal, "% covered", floor=PROMISED)
        report.figure(f"{case}: false alarms", alarms, "%", floor=ALARMS)


ALARMS = 5.0
"""How often one of two equal systems may be held to be worse, in %."""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("of", choices=["all", "clips", "sets"], nargs="?", default="all")
    parser.add_argument("--simulations", type=int, help="1000 of clips and 150 of sets")
    options = parse(parser, simulations=2)
    report, small = Report("coverage"), options.smoke
    if options.of != "sets":
        people, sizes = (FEW_SPEAKERS, 10, 20, 50), tuple(SIZES)
        clips(report, options.simulations or 1000, people[:1] if small else people,
              sizes[:2] if small else sizes)  # fmt: skip
    if options.of != "clips":
        groups_ = ((10, 1), (FEW_SPEAKERS, 5), (10, 5), (20, 5))
        sets(report, options.simulations or 150, groups_[:1] if small else groups_,
             (3,) if small else (3, 24))  # fmt: skip


if __name__ == "__main__":
    main()
