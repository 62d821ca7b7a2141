"""Whether a clip is long enough."""

from dawn.curation.filter import Filter, Setting, column

PLACE = 10
FILTERS = (
    Filter(
        name="length",
        score=column("duration_s"),
        rule="min",
        settings=(
            Setting(
                name="min_seconds",
                default=1.64,
                reason="41 frames: DAWN's second stage takes 40 and a reference (Section 4 of the "
                "paper).",
            ),
        ),
        explanation="too short",
    ),
)
