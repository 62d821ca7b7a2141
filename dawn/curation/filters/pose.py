"""Whether the face looks towards the camera."""

from dawn.curation.filter import Filter, Setting, column

PLACE = 40
FILTERS = (
    Filter(
        name="yaw",
        score=column("yaw_p95"),
        rule="max",
        settings=(
            Setting(
                name="max_yaw_p95",
                default=50.0,
                reason="Beyond, one eye is hidden and its ratio means nothing.",
            ),
        ),
        explanation="the head turns too far aside",
    ),
    Filter(
        name="pitch",
        score=column("pitch_p95"),
        rule="max",
        settings=(
            Setting(
                name="max_pitch_p95",
                default=40.0,
                reason="Beyond, the mesh guesses at a mouth that the chin or the nose hides.",
            ),
        ),
        explanation="the head tilts too far up or down",
    ),
)
