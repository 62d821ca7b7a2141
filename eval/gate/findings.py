"""What a regression check found: one line for each thing that was looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Kind = Literal["metric", "tail", "validity", "speed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was judged. Gains are in the metric's unit, positive is better; numbers that
    a kind has none of are None.
    """

    kind: Kind
    name: str
    verdict: Verdict
    text: str
    before: float | None = None
    after: float | None = None
    real: float | None = None
    """The real clips' own number, where the metric has one."""
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    p: float | None = None
    """Of the candidate being worse, adjusted for all metrics of the gate (Holm)."""
    n: int = 0
    needed: int | None = None
    """Clips that would decide it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A metric that does not decide: what it did, with its two-sided 95 % interval."""

    name: str
    before: float
    after: float
    gain: float
    low: float
    high: float
    n: int
    real: float | None = None


def worst(findings: Sequence[Finding]) -> Verdict:
    """FAIL if anything fails; else INCONCLUSIVE if anything is; else PASS."""
    verdicts = {finding.verdict for finding in findings}
    if "FAIL" in verdicts:
        return "FAIL"
    return "INCONCLUSIVE" if "INCONCLUSIVE" in verdicts else "PASS"
