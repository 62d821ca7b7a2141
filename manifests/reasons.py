"""Why a video or a clip is not in the dataset. The one list; `docs/dataset.md` prints it."""

from enum import StrEnum


class Quarantine(StrEnum):
    """Why a source could not be read. Its `videos` row has status `quarantined`."""

    NOT_FOUND = "not_found"
    NOT_A_FILE = "not_a_file"
    EMPTY = "empty"
    NOT_A_VIDEO = "not_a_video"
    NO_PICTURE = "no_picture"
    NO_TIMESTAMPS = "no_timestamps"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    UNSUPPORTED = "unsupported"
    TIMEOUT = "timeout"
    WORKER_CRASHED = "worker_crashed"
    CHANGED = "changed_while_read"
    INTERNAL = "internal_error"

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _QUARANTINE[self]


class Rejection(StrEnum):
    """Why a video that was read gave no clip. Its `videos` row has status `rejected`."""

    NO_FACE = "no_face"
    OUTSIDE = "outside_video"
    NO_CLIP_PASSED = "no_clip_passed"

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _REJECTION[self]


_QUARANTINE = {
    Quarantine.NOT_FOUND: "The path does not exist, or vanished before it could be read.",
    Quarantine.NOT_A_FILE: "The path is not a regular file (a device, a pipe, a link loop).",
    Quarantine.EMPTY: "The file has no bytes.",
    Quarantine.NOT_A_VIDEO: "The file is not in a supported container format (see `formats`).",
    Quarantine.NO_PICTURE: "The container has no video stream, or one without a frame.",
    Quarantine.NO_TIMESTAMPS: "Frames lack timestamps, so they cannot be resampled to 25 fps.",
    Quarantine.TRUNCATED: "The header promises much more than the file holds.",
    Quarantine.CORRUPT: "Too many packets could not be decoded.",
    Quarantine.TOO_LARGE: "A frame has more pixels than `max_megapixels`.",
    Quarantine.TOO_LONG: "The video is longer than `max_hours`.",
    Quarantine.UNSUPPORTED: "The codec or pixel format has no decoder here.",
    Quarantine.TIMEOUT: "A step took longer than `timeout_seconds` allows for its length.",
    Quarantine.WORKER_CRASHED: "The process that read it died at every attempt.",
    Quarantine.CHANGED: "The file's bytes changed between two reads.",
    Quarantine.INTERNAL: "An internal error; the detail has the message. Please report it.",
}

_REJECTION = {
    Rejection.NO_FACE: "No face was seen for long enough to make a clip.",
    Rejection.OUTSIDE: "Every range that a list gives lies outside the video.",
    Rejection.NO_CLIP_PASSED: "Every clip failed a filter; `decisions` says which.",
}


class UnreadableVideoError(Exception):
    """A source that cannot be ingested: a reason and a detail for its `videos` row."""

    def __init__(self, reason: Quarantine, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[Quarantine, str]]:
        return type(self), (self.reason, self.detail)
