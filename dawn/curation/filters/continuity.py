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
                reason="Off: a caption that appears looks alike. Whole takes measured up to 2.1, a "
                "jerk of the camera up to 2.2; of cuts that leave out a second half measured "
                "more than 2.5.",
            ),
        ),
        explanation="the picture jumps within the shot",
    ),
)
