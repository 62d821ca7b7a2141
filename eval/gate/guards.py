"""What must hold of a candidate's videos before its numbers mean anything: there, whole, moving,
measured, and made in time.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eval.gate.findings import Finding
from eval.gate.margins import Gate
from eval.results.scores import Results
from eval.statistics.intervals import bounds, draws, groups

_FROZEN = 0.05
"""Motion below this share of the real clip's own is none. Where that is still, none is right."""
_PICTURES_FROZEN = 0.1
"""The same of grey levels between frames, of which the encoder leaves some."""
_SHOWN = 5


def validity(before: Results, after: Results, gate: Gate) -> list[Finding]:
    """Clips that the candidate lost: not made, of a wrong length, frozen, or not measurable."""
    rules = gate.validity
    checks = [
        ("videos made", "no usable video", _made, rules.missing),
        ("length", "wrong length", _whole(rules.frames), rules.length),
        ("pictures move", "frozen pictures", _pictures_move, rules.frozen),
        ("mouth moves", "frozen mouth", _mouth_moves, rules.frozen),
    ]
    found = []
    for name, fault, holds, share in checks:
        lost = holds(before) & ~holds(after)
        found.append(_lost(name, fault, lost, share, before.clip_ids))
    for metric in gate.gates:
        old, new = before.scores.get(metric.metric), after.scores.get(metric.metric)
        if old is not None and new is not None and old.measured.any():
            lost = old.measured & ~new.measured & _made(after)
            share = max(rules.unmeasured, 1.01 / max(1, len(lost)))  # one clip decides nothing
            name = f"{metric.metric} measured"
            found.append(_lost(name, "without a number", lost, share, before.clip_ids))
    return found


def _lost(
    name: str, fault: str, lost: NDArray[np.bool_], allowed: float, clips: list[str]
) -> Finding:
    count, total = int(lost.sum()), len(lost)
    failed = count > allowed * total
    names = ", ".join(clips[place] for place in np.flatnonzero(lost)[:_SHOWN])
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    text = f"{count} of {total} clips more than the baseline: {fault}" if count else "as before"
    return Finding(
        kind="validity",
        name=name,
        verdict="FAIL" if failed else "PASS",
        text=f"{text} ({names}{more})" if count else text,
        n=total,
    )


def _made(results: Results) -> NDArray[np.bool_]:
    return np.array([clip["frames"] is not None for clip in results.clips])


def _whole(frames: int) -> Callable[[Results], NDArray[np.bool_]]:
    def holds(results: Results) -> NDArray[np.bool_]:
        return np.array([
            None in (clip["frames"], clip["reference_frames"])
            or abs(clip["frames"] - clip["reference_frames"]) <= frames
            for clip in results.clips
        ])  # fmt: skip

    return holds


def _mouth_moves(results: Results) -> NDArray[np.bool_]:
    return np.array([
        clip["mouth_spread"] is None
        or clip["mouth_spread_of_real"] is None
        or clip["mouth_spread"] >= _FROZEN * clip["mouth_spread_of_real"]
        for clip in results.clips
    ])  # fmt: skip


def _pictures_move(results: Results) -> NDArray[np.bool_]:
    scores = results.scores.get("flicker")
    if scores is None:
        return np.ones(len(results.clips), bool)
    known = np.isfinite(scores.values) & np.isfinite(scores.references)
    return ~known | (scores.values >= _PICTURES_FROZEN * scores.references)


def speed(before: Results, after: Results, gate: Gate) -> list[Finding]:
    """Whether generation became slower, from the clips' paired times; none where there are none."""
    allowed = gate.speed.slowdown
    old, new = before.scores.get("real_time_factor"), after.scores.get("real_time_factor")
    if allowed is None or old is None or new is None:
        return []
    valid = old.valid & new.valid
    speakers = [s for s, ok in zip(before.speakers, valid, strict=True) if ok]
    group = groups(speakers)
    if group.count < gate.min_clips:
        return []
    times = draws(group)
    ratios = (times @ new.values[valid]) / (times @ old.values[valid])
    low, _ = bounds(ratios, group, gate.alpha)
    ratio = float(new.values[valid].mean() / old.values[valid].mean())
    return [
        Finding(
            kind="speed",
            name="real_time_factor",
            verdict="FAIL" if low > 1 + allowed else "PASS",
            text=f"takes {ratio:.2f} times as long; at most {1 + allowed:.2f} is allowed",
            before=float(old.values[valid].mean()),
            after=float(new.values[valid].mean()),
            n=int(valid.sum()),
        )
    ]
