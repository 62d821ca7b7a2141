"""Whether the same footage was kept before. The score is `dawn.curation.duplicates`'s."""

from dawn.curation.filter import Filter, Setting, column

PLACE = 60
FILTERS = (
    Filter(
        name="duplicate",
        score=column("duplicate_score"),
        rule="max",
        settings=(
            Setting(
                name="max_duplicate",
                default=0.85,
                reason="Likeness to a clip that was kept. Re-encoded, cropped and mirrored copies "
                "measured 0.91 to 1, different clips below 0.6.",
            ),
        ),
        explanation="the same footage is already in the dataset",
    ),
)
