"""Whether something hides the face or lies over the picture: a hand, burnt-in text."""

from dawn.curation.filter import Filter, Setting, column

PLACE = 25
FILTERS = (
    Filter(
        name="hand",
        score=column("hand"),
        rule="max",
        settings=(
            Setting(
                name="max_hand",
                default=None,
                reason="Off: gestures belong to some data. 0.1 keeps a hand that passes by; "
                "hands-off footage measured 0.",
            ),
        ),
        explanation="a hand covers the face",
    ),
    Filter(
        name="text",
        score=column("text"),
        rule="max",
        settings=(
            Setting(
                name="max_text",
                default=None,
                reason="Off: text that was filmed counts too. 0.003 leaves out a small watermark "
                "(0.004 to 0.02) and subtitles (0.03 to 0.06); real clips without text measured 0.",
            ),
        ),
        explanation="text lies over the picture",
    ),
)
