"""Published divisions of HDTF and CREMA-D that DAWN's authors used, by file name."""

import re

# The 41 test videos and the four left out, as listed in the authors' data loaders.
HDTF_TEST = frozenset(
    [
        "RD_Radio14_000",
        "RD_Radio30_000",
        "RD_Radio47_000",
        "RD_Radio56_000",
        "WDA_AmyKlobuchar1_001",
        "WDA_BarbaraLee0_000",
        "WDA_BobCasey0_000",
        "WDA_CatherineCortezMasto_000",
        "WDA_DebbieDingell1_000",
        "WDA_DonaldMcEachin_000",
        "WDA_EricSwalwell_000",
        "WDA_HenryWaxman_000",
        "WDA_JanSchakowsky1_000",
        "WDA_JoeDonnelly_000",
        "WDA_JohnSarbanes1_000",
        "WDA_JoeNeguse_001",
        "WDA_KatieHill_000",
        "WDA_LucyMcBath_000",
        "WDA_MazieHirono0_000",
        "WDA_NancyPelosi1_000",
        "WDA_PattyMurray0_000",
        "WDA_RaulRuiz_000",
        "WDA_SeanPatrickMaloney_000",
        "WDA_TammyBaldwin0_000",
        "WDA_TerriSewell0_000",
        "WDA_TomCarper_000",
        "WDA_WhipJimClyburn_000",
        "WRA_AdamKinzinger0_000",
        "WRA_AnnWagner_000",
        "WRA_BobCorker_000",
        "WRA_CandiceMiller0_000",
        "WRA_CathyMcMorrisRodgers2_000",
        "WRA_CoryGardner1_000",
        "WRA_DebFischer1_000",
        "WRA_DianeBlack1_000",
        "WRA_ErikPaulsen_000",
        "WRA_GeorgeLeMieux_000",
        "WRA_JebHensarling0_001",
        "WRA_JoeHeck1_000",
        "WRA_JohnKasich1_001",
        "WRA_MarcoRubio_000",
    ]
)
HDTF_EXCLUDED = frozenset(
    ["WDA_DanKildee_000", "WDA_PatrickLeahy1_000", "WRA_KristiNoem2_000", "RD_Radio39_000"]
)
# Speakers s64, s76, s88, s90 and s91; the corpus numbers its actors from 1001.
CREMA_D_TEST = frozenset({1064, 1076, 1088, 1090, 1091})


def hdtf_split(name: str) -> str | None:
    """Split of an HDTF video `WRA_MarcoRubio_000`; None for a name of another form."""
    if not re.fullmatch(r"(RD|WDA|WRA)_\w+_\d{3}", name):
        return None
    if name in HDTF_EXCLUDED:
        return "excluded"
    return "test" if name in HDTF_TEST else "train"


def crema_d_split(name: str) -> str | None:
    """Split of a CREMA-D clip `1001_DFA_ANG_XX`; None for a name of another form."""
    match = re.match(r"(1\d{3})_", name)
    if match is None:
        return None
    return "test" if int(match[1]) in CREMA_D_TEST else "train"
