"""What `dawn lineage` prints for people."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from manifests.counting import count

_SHOWN = 20
_NUMBERS = 6
"""Of each video; --format json has all."""


def as_text(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines: what all rows come to, then each checkpoint once, then the videos."""
    if not rows:
        yield "nothing is recorded of it: no video was made, and no network handed on"
        return
    yield _summary(rows)
    checkpoints = {row["checkpoint"]: row for row in rows if row["checkpoint"] is not None}
    for row in checkpoints.values():
        yield from _checkpoint(row)
    videos = [row for row in rows if row["video"] is not None]
    for row in videos[:_SHOWN]:
        yield from _video(row)
    if len(videos) > _SHOWN:
        yield f"and {count(len(videos) - _SHOWN, 'more video')}; --format csv has them all"


def _summary(rows: Sequence[Mapping[str, Any]]) -> str:
    videos = [row for row in rows if row["video"] is not None]
    states = Counter(row["state"] for row in videos or rows)
    what = count(len(videos), "video") if videos else count(len(rows), "checkpoint")
    parts = [f"{states[state]} {_STATES[state]}" for state in _STATES if states[state]]
    numbers = sum(len(row["numbers"] or ()) for row in videos)
    return f"{what}: {', '.join(parts)}" + (f"; {count(numbers, 'number')}" if numbers else "")


_STATES = {
    "withdrawn": "withdrawn",
    "there": "with nothing withdrawn",
    "unknown": "not wholly on record",
}


def _checkpoint(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"checkpoint {row['checkpoint']}{_mark(row['checkpoint_state'])}"
    if row["trained_clips"]:
        licences = ", ".join(row["trained_licences"] or ()) or "none is there"
        lost = row["trained_withdrawn"]
        withdrawn = f", {lost} of them WITHDRAWN since" if lost else ""
        yield (
            f"  learnt from {count(row['trained_clips'], 'clip')}{withdrawn}; licences of those "
            f"that are there: {licences}"
        )
    for network in row["networks"] or ():
        name = network["network"] or "began from"
        by = f"by {network['run']}" if network["run"] else "no run here made it"
        on = f" on {network['dataset']}" if network["dataset"] else ""
        yield f"  {name} {network['sha256'][:16]}: {by}{on}"


def _video(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"video {row['video']}{_mark(row['state'])}"
    if row["clip_id"] is not None:
        said = (
            f"; speaker {row['speaker'] or 'not recorded'}, licence "
            f"{row['licence'] or 'not recorded'}, consent {row['consent'] or 'not recorded'}"
        )
        place = f" of {row['dataset']}" if row["dataset"] else ""
        recipe = f" (recipe {row['dataset_hash']})" if row["dataset_hash"] else ""
        there = said if row["clip_state"] == "there" else ""
        yield f"  clip {row['clip_id']}{place}{recipe}{_mark(row['clip_state'])}{there}"
    elif row["image"] is not None:
        yield f"  portrait {row['image']}, voice {row['audio']}: of no dataset"
    yield f"  made by {row['checkpoint'] or 'no network'}; signed by {row['signed_by'] or 'nobody'}"
    numbers = row["numbers"] or ()
    if numbers:
        shown = [f"{one['metric']} {one['value']:.4g}" for one in numbers[:_NUMBERS]]
        more = f" and {len(numbers) - _NUMBERS} more" if len(numbers) > _NUMBERS else ""
        places = ", ".join(row["results"])
        state = _mark(row["state"]).replace(":", ",")
        yield f"  numbers{state + ',' if state else ''} of {places}: {', '.join(shown)}{more}"


def _mark(state: str | None) -> str:
    return {"withdrawn": ": WITHDRAWN", "unknown": ": not wholly on record"}.get(str(state), "")
