"""Whether one whole face of sufficient size is in the crop throughout."""

from dawn.curation.filter import Filter, Setting, column

PLACE = 20
FILTERS = (
    Filter(
        name="landmarks",
        score=column("landmarks_found"),
        rule="min",
        settings=(
            Setting(
                name="min_landmarks_found",
                default=0.95,
                reason="The rest is interpolated; more than 5 % would be invented motion.",
            ),
        ),
        explanation="the face was lost too often",
    ),
    Filter(
        name="face_size",
        score=column("face_px"),
        rule="min",
        settings=(
            Setting(
                name="min_face_px",
                default=64.0,
                reason="Half of the 128-px model's picture; smaller faces are mostly upscaling.",
            ),
        ),
        explanation="the face is too small",
    ),
    Filter(
        name="one_face",
        score=column("other_faces"),
        rule="max",
        settings=(
            Setting(
                name="max_other_faces",
                default=0.05,
                reason="One face only, as LatentSync and TalkVid ask; a passer-by of a few frames "
                "is let through.",
            ),
        ),
        explanation="another face is in the crop",
    ),
    Filter(
        name="same_face",
        score=column("same_face"),
        rule="min",
        settings=(
            Setting(
                name="min_same_face",
                default=0.5,
                reason="One person from first to last: seven clips of one person measured 0.71 to "
                "0.98, cuts from one person to another at most 0.30.",
            ),
        ),
        explanation="the face becomes another one",
    ),
    Filter(
        name="cut_off",
        score=column("cut_off"),
        rule="max",
        settings=(
            Setting(
                name="max_cut_off",
                default=0.1,
                reason="A face cut by the picture's edge has no true outline.",
            ),
        ),
        explanation="the picture's edge cuts the face",
    ),
)
