"""DR_n: how much the pictures get worse from the first to the last frames of a video."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eval.metrics.fid import FEATURE
from eval.metrics.interface import Definition, Features, TooFewError
from eval.metrics.set_distances import frechet
from eval.protocol.card import ProtocolCard


@dataclass(frozen=True)
class Degradation:
    """FID of the last `frames` over FID of the first, minus one."""

    frames: int

    @property
    def definition(self) -> Definition:
        """See SetMetric."""
        n = self.frames
        return Definition(
            name=f"dr{n}_incep2015",
            family="Pictures",
            title=f"DR{n}",
            direction="lower",
            unit="",
            range="-1 and up",
            formula=f"FID(last {n} frames) / FID(first {n} frames) - 1, each against all sampled "
            f"frames of the real clips; clips of fewer than {2 * n} frames are left out",
            source="DAWN (arXiv 2410.13726), degradation rate",
            status="proxy",
            divergences="The paper does not say what the two FIDs are taken against, nor how "
            "short clips are treated; this is our reading.",
        )

    @property
    def feature(self) -> str:
        """See SetMetric."""
        return FEATURE

    def distance(
        self, generated: Iterable[Features], reference: Iterable[Features], card: ProtocolCard
    ) -> float:
        """See SetMetric."""
        rows = max(1, self.frames // card.stride)
        if sum(1 for _ in _ends(generated, rows, first=True)) < 2:
            raise TooFewError(f"fewer than two clips of {2 * self.frames} frames or more")
        begin = frechet(_ends(generated, rows, first=True), reference)
        if begin <= 0:
            raise TooFewError("the first frames are the real clips' own: nothing to divide by")
        return frechet(_ends(generated, rows, first=False), reference) / begin - 1


def _ends(parts: Iterable[Features], rows: int, *, first: bool) -> Iterator[Features]:
    """The first or last rows of the clips that are long enough for both."""
    for part in parts:
        if len(part) >= 2 * rows:
            yield part[:rows] if first else part[-rows:]


PLACE = 20
METRICS = (Degradation(25), Degradation(50))
