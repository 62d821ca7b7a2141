"""One video of an ingest: what is known of it so far, and how it ends."""

import logging
from dataclasses import dataclass, field
from typing import Any

from manifests.errors import InputError
from manifests.location import Where
from manifests.reasons import Quarantine
from pipeline.cluster.executor import Failure
from pipeline.events import note
from pipeline.ingest.steps import Quarantined, VideoTask


@dataclass(slots=True)
class Video:
    """One content of this run, under all its names."""

    work: VideoTask
    sources: list[str]
    old: dict[str, Any] | None
    facts: dict[str, Any] | None = None
    """Columns of `videos` from a fresh extraction."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    open_spans: int = 0
    bytes_left: float = 0.0
    """What the progress bar has not counted yet."""
    seconds: dict[str, float] = field(default_factory=dict)
    audio_staged: bool = False
    ended: bool = False
    """Quarantined; what jobs of it still say is of no use."""


def failed(outcome: Any, step: str, path: Where) -> Any:  # noqa: ANN401 - any job's result
    """A job's result, with what befell its process as a quarantine. Our own faults stop the run,
    and those of the machines.
    """
    if not isinstance(outcome, Failure):
        return outcome
    if outcome.kind == "node":
        raise InputError(f"{path}: {step}: {outcome.detail}")
    if outcome.kind == "error":
        raise InputError(f"{step} failed: {outcome.detail}; free or mend it, then run again")
    reason = Quarantine.TIMEOUT if outcome.kind == "timeout" else Quarantine.WORKER_CRASHED
    return Quarantined(reason, f"{step}: {outcome.detail}")


def note_end(outcome: str, row: dict[str, Any] | None, frames: int) -> None:
    """Tell how a video ended; of what was unchanged, or is left out, no more than that."""
    if row is None:
        note("finished", level=logging.DEBUG, outcome=outcome)
        return
    note(
        "finished", level=logging.WARNING if outcome == "quarantined" else logging.INFO,
        outcome=outcome, item=row["video_id"], source=row["sources"][0],
        reason=row.get("reason"), detail=row.get("detail"), clips=row["clips_total"],
        accepted=row["clips_accepted"], frames=frames,
    )  # fmt: skip


def parts_of(old: dict[str, Any] | None) -> dict[str, Any]:
    """The parts that a row keeps when its video was not extracted again."""
    return {key: value for key, value in (old or {}).items() if key.endswith("_part")}


def step_seconds(video: Video) -> list[dict[str, Any]]:
    """What each step of a video took, as its row has it."""
    return [{"step": step, "seconds": value} for step, value in sorted(video.seconds.items())]
