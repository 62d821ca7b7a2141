"""From a trial's costs to those of a run: pure functions on numbers.

Sums grow in proportion to the footage (a ratio estimate over the trial's clips). Their 90 %
intervals hold both what the trial does not know and how much the run's own clips will differ, by
Student's t; with one clip there is none. The clock is a simulation of the run's own order of jobs.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

from pipeline.plan.costs import Item, Stage, Took

LEVEL = 0.90
_RETRY_S = 2.0
"""Before a lost job is tried again (`pipeline.cluster.faults.BACK_OFF_S`)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and where it lies at `LEVEL`; the bounds are None where nothing says."""

    value: float
    low: float | None = None
    high: float | None = None

    def times(self, factor: float) -> "Interval":
        """In another unit."""
        bounds = (None if b is None else b * factor for b in (self.low, self.high))
        return Interval(self.value * factor, *bounds)

    def over(self, other: "Interval") -> "Interval | None":
        """The ratio of two that do not know of each other; None over nothing."""
        if other.value <= 0:
            return None
        value, spreads = self.value / other.value, (self._spread(), other._spread())
        if None in spreads:
            return Interval(value)
        return _around(value, value * math.hypot(*(s or 0.0 for s in spreads)))

    def _spread(self) -> float | None:
        """Half its width, of its value."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.value) / self.value if self.value else 0.0


def _around(value: float, reach: float) -> Interval:
    return Interval(value, max(0.0, value - reach), value + reach)


def grown(amounts: Sequence[float], sizes: Sequence[float], size: float) -> Interval:
    """What `size` more will amount to, from items of these amounts and sizes."""
    import scipy.stats

    total, count = sum(sizes), len(sizes)
    rate = sum(amounts) / total
    if count < 2:
        return Interval(rate * size)
    off = sum((y - rate * x) ** 2 for y, x in zip(amounts, sizes, strict=True)) / (count - 1)
    items = size * count / total
    spread = math.sqrt(off * (items**2 / count + items))
    reach = float(scipy.stats.t.ppf(0.5 + LEVEL / 2, count - 1)) * spread
    return _around(rate * size, reach)


def with_losses(seconds: float, restart: float, rate: float) -> float:
    """The mean time to end a job of so many seconds that begins anew after each loss of its worker,
    which takes `restart`; losses come at random, `rate` a second.
    """
    if rate <= 0:
        return seconds
    return math.expm1(rate * seconds) * (1 / rate + restart)


def clock(
    items: Sequence[Item], workers: int, time_of: Callable[[Took], float] = lambda t: t.wall_s
) -> float:
    """Seconds that workers take for a group: all are identified first, then jobs go first in, first
    out. An item's jobs follow each other, but for its `extract`s, which wait for no other.
    """
    first = [[[time_of(j.took)]] for i in items for j in i.jobs if j.step == "identify"]
    return _listed(first, workers) + _listed([_steps(i, time_of) for i in items], workers)


def _steps(item: Item, time_of: Callable[[Took], float]) -> list[list[float]]:
    """Rounds of jobs that may run at once."""
    rounds: list[list[float]] = []
    before = ""
    for job in item.jobs:
        if job.step == "identify":
            continue
        if job.step != "extract" or before != "extract":
            rounds.append([])
        rounds[-1].append(time_of(job.took))
        before = job.step
    return rounds


def _listed(items: Sequence[list[list[float]]], workers: int) -> float:
    """When the last round of the items ends; a round waits for the item's one before."""
    rounds = [item for item in items if item]
    waiting = deque((n, 0, seconds) for n, item in enumerate(rounds) for seconds in item[0])
    left = {(n, k): len(r) for n, item in enumerate(rounds) for k, r in enumerate(item)}
    running: list[tuple[float, int, int]] = []
    now = 0.0
    while waiting or running:
        while waiting and len(running) < workers:
            number, k, seconds = waiting.popleft()
            heapq.heappush(running, (now + seconds, number, k))
        now, number, k = heapq.heappop(running)
        left[number, k] -= 1
        if not left[number, k] and k + 1 < len(rounds[number]):
            waiting += [(number, k + 1, seconds) for seconds in rounds[number][k + 1]]
    return now


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The run that is planned."""

    seconds: float
    """Of footage, or of video to make."""
    workers: int
    gpus: float = 0.0
    """That workers share; 0: networks run where the rest does."""
    price: float | None = None
    """Dollars for a worker's core and hour; of a GPU."""
    gpu_price: float | None = None
    preemptions: float = 0.0
    """Of each worker, an hour."""
    group: int = 512
    """Items after which all workers wait for the command."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a stage of the run takes."""

    items: int
    wall_s: Interval
    core_s: Interval
    gpu_s: Interval | None
    read: Interval
    written: Interval
    kept: Interval
    requests: Interval
    accepted_s: Interval
    peak: int
    bottleneck: str
    dollars: Interval | None
    """For everything; `dollars_an_hour` for an hour of what is accepted."""
    dollars_an_hour: Interval | None


def estimate(stage: Stage, wanted: Wanted) -> Estimate:
    """What the wanted run of a stage takes."""
    sizes = [item.seconds for item in stage.items]
    count = max(1, round(wanted.seconds * len(sizes) / sum(sizes)))
    restart, rate = stage.begin.wall_s + stage.first.wall_s + _RETRY_S, wanted.preemptions / 3600
    items = [_lossy(item, restart, rate) for item in stage.items]

    def total(amount: Callable[[Item], float]) -> Interval:
        return grown([amount(item) for item in items], sizes, wanted.seconds)

    work, cores = total(lambda i: _sum(i, "wall_s")), total(lambda i: _sum(i, "cpu_s"))
    fixed = stage.command.wall_s + stage.first.wall_s
    driver = count * stage.driver.wall_s
    scale = work.value / sum(_sum(item, "wall_s") for item in islice(cycle(items), count))
    full, rest = divmod(count, wanted.group)
    groups = [(full, wanted.group), (1, rest)]
    pool = scale * sum(
        times * clock([*islice(cycle(items), size)], wanted.workers)
        for times, size in groups
        if times and size
    )
    wall = fixed + driver + pool
    even = work.value / wanted.workers
    shares = {
        "the GPUs" if stage.device.startswith("cuda") else "the cores": even,
        "the command itself: judging and committing, one after the other": driver,
        "workers that wait for the last job": pool - even,
        "starting": fixed,
    }
    extra = (
        stage.command.cpu_s
        + wanted.workers * stage.first.cpu_s
        + (wanted.workers - 1) * stage.begin.cpu_s
        + count * stage.driver.cpu_s
    )
    wall_s = _shifted(work.times(pool / work.value), wall - pool)
    accepted = total(lambda i: i.accepted_s)
    dollars = None
    if wanted.price is not None or wanted.gpu_price is not None:
        hourly = wanted.workers * (wanted.price or 0.0) + wanted.gpus * (wanted.gpu_price or 0.0)
        dollars = wall_s.times(hourly / 3600)
    return Estimate(
        count, wall_s, _shifted(cores, extra),
        wall_s.times(wanted.gpus) if wanted.gpus else None,
        total(lambda i: i.read), total(lambda i: i.written), total(lambda i: i.kept),
        total(lambda i: i.requests), accepted, stage.peak,
        max(shares, key=lambda name: shares[name]), dollars,
        dollars.over(accepted.times(1 / 3600)) if dollars else None,
    )  # fmt: skip


def _sum(item: Item, what: str) -> float:
    return sum(float(getattr(job.took, what)) for job in item.jobs)


def _lossy(item: Item, restart: float, rate: float) -> Item:
    """The item with what its jobs take where workers are lost at times."""
    jobs = []
    for job in item.jobs:
        longer = with_losses(job.took.wall_s, restart, rate) - job.took.wall_s
        took = Took(job.took.cpu_s + longer, job.took.wall_s + longer)
        jobs.append(replace(job, took=took))
    return replace(item, jobs=tuple(jobs))


def _shifted(interval: Interval, by: float) -> Interval:
    bounds = (None if b is None else b + by for b in (interval.low, interval.high))
    return Interval(interval.value + by, *bounds)
