"""What happens in a long command, told to whoever listens: its log, and its metrics.

Python's own `logging` carries it: a record's message names the event, its `fields` say what of it.
Where nobody listens (`pipeline.run_log`), nothing is done.
"""

import logging

stream = logging.getLogger(__name__)
stream.propagate = False  # users' terminals have `pipeline.progress`
stream.addHandler(logging.NullHandler())


def note(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Something happened. What is below INFO is counted and not written down."""
    stream.log(level, event, extra={"fields": fields})


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What a record of `note` says beside the event's name."""
    fields: dict[str, object] = getattr(record, "fields", {})
    return fields
