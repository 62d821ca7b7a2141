"""Whether the face is sharp and well lit."""

from dawn.curation.filter import Filter, Setting, column

PLACE = 30
FILTERS = (
    Filter(
        name="sharp",
        score=column("sharpness"),
        rule="min",
        settings=(
            Setting(
                name="min_sharpness",
                default=8.0,
                reason="Laplacian variance at 128 px; real clips measured 18 to 600, strong "
                "defocus below 5.",
            ),
        ),
        explanation="the face is blurred",
    ),
    Filter(
        name="dark",
        score=column("brightness"),
        rule="min",
        settings=(
            Setting(
                name="min_brightness",
                default=30.0,
                reason="As Anyscale's video curation (30 to 240).",
            ),
        ),
        explanation="the face is too dark",
    ),
    Filter(
        name="bright",
        score=column("brightness"),
        rule="max",
        settings=(
            Setting(
                name="max_brightness",
                default=240.0,
                reason="As Anyscale's video curation (30 to 240).",
            ),
        ),
        explanation="the face is too bright",
    ),
    Filter(
        name="natural",
        score=column("brisque"),
        rule="max",
        settings=(
            Setting(
                name="max_brisque",
                default=None,
                reason="Off: trained on photographs, not on crops. 55 leaves out strong defocus "
                "(55 to 67); real clips measured 6 to 45.",
            ),
        ),
        explanation="the picture is distorted",
    ),
    Filter(
        name="picture_rating",
        score=column("hyperiqa"),
        rule="min",
        settings=(
            Setting(
                name="min_hyperiqa",
                default=None,
                reason="Off: trained on photographs; nothing was measured on face crops, its "
                "weights were not at hand.",
            ),
        ),
        explanation="a network rates its pictures low",
    ),
    Filter(
        name="video_rating",
        score=column("dover"),
        rule="min",
        settings=(
            Setting(
                name="min_dover",
                default=None,
                reason="Off: trained on users' videos; nothing was measured on face crops, its "
                "weights were not at hand.",
            ),
        ),
        explanation="a network rates the video low",
    ),
)
