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
                default=0.75,
                reason="Likeness to a clip that was kept. Trimmed, re-encoded, graded, padded, "
                "mirrored and 5 % faster or slower copies measured 0.78 to 1; other footage, the "
                "same person's too, up to 0.6.",
            ),
        ),
        explanation="the same footage is already in the dataset",
    ),
)
