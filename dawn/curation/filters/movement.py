"""Whether pictures and mouths move, and how much the head does."""

from dawn.curation.filter import Filter, Setting, column

PLACE = 35
FILTERS = (
    Filter(
        name="frozen",
        score=column("still_seconds"),
        rule="max",
        settings=(
            Setting(
                name="max_still_seconds",
                default=0.5,
                reason="Half a second under a running voice is seen; footage of 15 frames a second "
                "shows a picture for 0.08 s.",
            ),
        ),
        explanation="the picture stands still for too long",
    ),
    Filter(
        name="mouth",
        score=column("mouth_moves"),
        rule="min",
        settings=(
            Setting(
                name="min_mouth_moves",
                default=0.003,
                reason="A still picture measured 0.0003, people who speak 0.04 to 0.07.",
            ),
        ),
        explanation="the mouth does not move",
    ),
    Filter(
        name="movement",
        score=column("head_movement"),
        rule="max",
        settings=(
            Setting(
                name="max_head_movement",
                default=None,
                reason="Off: whether heads may move much depends on what is trained.",
            ),
        ),
        explanation="the head moves too much",
    ),
    Filter(
        name="rotation",
        score=column("head_rotation"),
        rule="max",
        settings=(
            Setting(
                name="max_head_rotation",
                default=None,
                reason="Off: whether heads may turn much depends on what is trained.",
            ),
        ),
        explanation="the head turns too fast",
    ),
)
