"""Whether a voice is heard, and the face speaks it."""

from dawn.curation.filter import Filter, Row, Setting, column

SYNCNET = "min_agreement_syncnet"
LR_ASD = "min_agreement_lr_asd"


def bound_of(row: Row) -> str:
    """By whichever network the agreement was measured."""
    return SYNCNET if row["agreement_by"] == "syncnet" else LR_ASD


def offset(row: Row) -> float | None:
    """Frames by which sound and picture are apart, as SyncNet says."""
    return abs(row["agreement_offset"]) if row["agreement_by"] == "syncnet" else None


PLACE = 50
FILTERS = (
    Filter(
        name="speech",
        score=column("voiced"),
        rule="min",
        settings=(
            Setting(
                name="min_voiced",
                default=0.15,
                reason="A speaker's pauses leave far more; silence and noise far less.",
            ),
        ),
        explanation="no voice is heard",
    ),
    Filter(
        name="agreement",
        score=column("agreement"),
        rule="min",
        settings=(
            Setting(
                name=SYNCNET,
                default=3.0,
                reason="LatentSync's bound on SyncNet confidence.",
            ),
            Setting(
                name=LR_ASD,
                default=0.0,
                reason="The proxy's margin of the own sound over shifted sound; own sound is "
                "above 0.",
            ),
        ),
        explanation="the mouth does not go with the sound",
        choose=bound_of,
    ),
    Filter(
        name="offset",
        score=offset,
        rule="max",
        settings=(
            Setting(
                name="max_agreement_offset",
                default=6,
                whole=True,
                reason="Frames; LatentSync's bound. Beyond, sound and picture belong to different "
                "moments. Judged by SyncNet alone: the proxy's best shift is often wild.",
            ),
        ),
        explanation="sound and picture are shifted against each other",
    ),
)
