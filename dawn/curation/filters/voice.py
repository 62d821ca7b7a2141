"""Whether a voice is heard, how well, and whether the face speaks it."""

from dawn.curation.filter import Filter, Row, Setting, column

SYNCNET = "min_agreement_syncnet"
LR_ASD = "min_agreement_lr_asd"

LISTENS = -2.0
"""LR-ASD's mean logit of a second: speakers of real clips stay above -1.5, listeners below -2.5 in
four seconds of five."""


def sound_tracks(row: Row) -> float:
    """1 where the source has sound that can be read, else 0: nothing was measured of it."""
    return 0.0 if row["voiced"] is None else 1.0


def bound_of(row: Row) -> str:
    """By whichever network the agreement was measured."""
    return LR_ASD if row["agreement_by"] == "lr_asd" else SYNCNET


def offset(row: Row) -> float | None:
    """Frames by which sound and picture are apart; None where that is unsure."""
    frames = row["agreement_offset"]
    return None if frames is None else abs(frames)


def listening(row: Row) -> float | None:
    """Share of the seconds with speech in which this face is taken to listen."""
    known = [score for score in row["speaking_seconds"] or () if score is not None]
    return sum(score < LISTENS for score in known) / len(known) if known else None


PLACE = 50
FILTERS = (
    Filter(
        name="sound",
        score=sound_tracks,
        rule="min",
        settings=(
            Setting(
                name="min_sound_tracks",
                default=1,
                whole=True,
                reason="A talking head is learnt from a voice. null takes silent films, too.",
            ),
        ),
        explanation="there is no sound track that can be read",
    ),
    Filter(
        name="speech",
        score=column("voiced"),
        rule="min",
        settings=(
            Setting(
                name="min_voiced",
                default=0.15,
                reason="Real clips measured 0.56 to 0.94. Silence, hum, noise, chords and music "
                "measured 0 to 0.03.",
            ),
        ),
        explanation="no voice is heard",
    ),
    Filter(
        name="speaking",
        score=column("speaking"),
        rule="min",
        settings=(
            Setting(
                name="min_speaking",
                default=-1.4,
                reason="LR-ASD's logit where speech is heard. Speakers measured -0.7 (with faint "
                "sound) to 4.1, listeners below -2, still pictures below -3.6.",
            ),
        ),
        explanation="the voice is not this face's",
    ),
    Filter(
        name="turns",
        score=listening,
        rule="max",
        settings=(
            Setting(
                name="max_listening",
                default=0.25,
                reason="Share of the seconds with speech in which the face listens: in a "
                "conversation, somebody else's turn. One second in four may be misjudged.",
            ),
        ),
        explanation="somebody else has a turn in it",
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
                default=None,
                reason="Off: the proxy's margin of the own sound over shifted sound can be "
                "positive for a listener and negative for the speaker; `speaking` and `offset` "
                "judge instead.",
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
                default=5,
                whole=True,
                reason="Frames; LatentSync allows 6 by SyncNet. Clips in sync measured up to 3 by "
                "LR-ASD, with the sound moved by 10 frames 7 to 13.",
            ),
        ),
        explanation="sound and picture are shifted against each other",
    ),
    Filter(
        name="speech_quality",
        score=column("speech_overall"),
        rule="min",
        settings=(
            Setting(
                name="min_speech_quality",
                default=None,
                reason="Off: how clean a voice must be depends on the use. DNSMOS overall, 1 to 5; "
                "real clips measured 2.7 to 3.4, with white noise 2.1.",
            ),
        ),
        explanation="the voice is badly recorded",
    ),
)
