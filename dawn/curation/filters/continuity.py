"""Whether footage was left out of the middle of a shot."""

from dawn.curation.filter import Filter, Setting, column

PLACE = 45
FILTERS = (
    Filter(
        name="jump",
        score=column("jump"),
        rule="max",
        settings=(
            Setting(
                name="max_jump",
                default=None,
                reason="Off: a jerk of a small camera looks alike. Whole takes measured 1 to 3.2; "
                "12 frames left out while the head moved 3.9 to 17. 3.5 lies between.",
            ),
        ),
        explanation="the face jumps within the shot",
    ),
)
