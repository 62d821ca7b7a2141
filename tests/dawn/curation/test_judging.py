"""Filters, duplicates, identities and splits on hand-made rows."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.curation.conventions import HDTF_EXCLUDED, HDTF_TEST, crema_d_split, hdtf_split
from dawn.curation.decisions import FILTERS, FilterConfig, judge, why_none_passed
from dawn.curation.splits import Identities, SplitConfig, assign, hashed_split

GOOD: dict[str, Any] = {
    "clip_id": "v-0000000-0", "video_id": "v", "duration_s": 3.0, "landmarks_found": 1.0,
    "face_px": 120.0, "other_faces": 0.0, "same_face": 0.9, "cut_off": 0.0,
    "sharpness": 90.0, "brightness": 120.0,
    "yaw_p95": 10.0, "pitch_p95": 10.0, "voiced": 0.6, "agreement": 5.0,
    "agreement_by": "syncnet", "agreement_offset": 0, "speaking": 2.0,
    "speaking_seconds": [2.0, 1.0, 3.0], "speech_overall": 3.0, "duplicate_score": 0.0,
    "still_seconds": 0.04, "mouth_moves": 0.05, "head_movement": 5.0, "head_rotation": 0.4,
    "hand": 0.0, "text": 0.0, "jump": 1.0, "brisque": 20.0, "hyperiqa": 60.0, "dover": 0.6,
}  # fmt: skip


COLUMNS = {
    "length": "duration_s", "landmarks": "landmarks_found", "face_size": "face_px",
    "one_face": "other_faces", "same_face": "same_face", "cut_off": "cut_off",
    "sharp": "sharpness", "dark": "brightness",
    "bright": "brightness", "yaw": "yaw_p95", "pitch": "pitch_p95", "speech": "voiced",
    "speaking": "speaking", "agreement": "agreement", "offset": "agreement_offset",
    "speech_quality": "speech_overall", "duplicate": "duplicate_score",
    "frozen": "still_seconds", "mouth": "mouth_moves", "movement": "head_movement",
    "rotation": "head_rotation", "hand": "hand", "text": "text", "jump": "jump",
    "natural": "brisque", "picture_rating": "hyperiqa", "video_rating": "dover",
}  # fmt: skip


OFF = {"speech_quality", "movement", "rotation", "hand", "text", "jump", "natural",
       "picture_rating", "video_rating"}  # fmt: skip
ALL = FilterConfig(
    min_speech_quality=2.5, max_head_movement=20, max_head_rotation=2,
    max_hand=0.1, max_text=0.003, max_jump=2.5, max_brisque=55.0, min_hyperiqa=40.0,
    min_dover=0.3,
)  # fmt: skip
OF_SOUND = (
    *("voiced", "agreement", "agreement_by", "agreement_offset"),
    *("speaking", "speaking_seconds", "speech_overall"),
)


def failing(clip: dict[str, Any], config: FilterConfig | None = None) -> list[Any]:
    config = config or FilterConfig()
    return [row["filter"] for row in judge(clip, config) if row["verdict"] == "fail"]


def test_a_good_clip_passes_every_filter() -> None:
    verdicts = {row["filter"]: row["verdict"] for row in judge(GOOD, ALL)}
    assert verdicts == dict.fromkeys(FILTERS, "pass")
    assert FILTERS.keys() - {row["filter"] for row in judge(GOOD, FilterConfig())} == OFF


@pytest.mark.parametrize("name", COLUMNS)
def test_each_bound_has_two_sides(name: str) -> None:
    column, rule, setting = COLUMNS[name], FILTERS[name].rule, FILTERS[name].setting_for(GOOD)
    bound = getattr(ALL, setting)
    step = 1 if name == "offset" else 1e-3
    beyond = bound - step if rule == "min" else bound + step
    assert failing(GOOD | {column: bound}, ALL) == []
    assert failing(GOOD | {column: beyond}, ALL) == [name]
    assert failing(GOOD | {column: beyond}, FilterConfig(**{setting: None})) == []


def test_no_sound_track_is_not_no_voice() -> None:
    silent_film = GOOD | dict.fromkeys(OF_SOUND)
    assert failing(silent_film) == ["sound"]
    assert failing(GOOD | {"voiced": 0.0}) == ["speech"]
    assert failing(silent_film, FilterConfig(min_sound_tracks=None)) == []
    text = why_none_passed(judge(silent_film, FilterConfig()))
    assert text.startswith("there is no sound track that can be read")


def test_what_was_not_measured_is_not_judged() -> None:
    clip = GOOD | dict.fromkeys(OF_SOUND) | {"voiced": 0.6}
    verdicts = {row["filter"]: row["verdict"] for row in judge(clip, FilterConfig())}
    assert {verdicts[name] for name in ("speaking", "turns", "agreement", "offset")} <= {
        "not_judged"
    }
    assert failing(clip) == []


def test_the_proxy_judges_by_its_score_and_its_offset_not_by_its_margin() -> None:
    """Measured in an interview: the listener's margin is 0.053, the speaker's -0.079."""
    proxy = GOOD | {"agreement_by": "lr_asd", "agreement_offset": None}
    assert failing(proxy | {"agreement": -0.079, "speaking": -0.4}) == []
    assert failing(proxy | {"agreement": 0.053, "speaking": -2.0}) == ["speaking"]
    assert failing(proxy | {"agreement": 0.144, "agreement_offset": 10}) == ["offset"]
    assert failing(proxy | {"agreement": 0.144, "agreement_offset": -10}) == ["offset"]
    assert failing(proxy | {"agreement": -0.1}, FilterConfig(min_agreement_lr_asd=0.0)) == [
        "agreement"
    ]


def test_somebody_else_s_turn_fails_a_clip() -> None:
    seconds = [3.1, 2.5, None, -0.9, 2.0]
    assert failing(GOOD | {"speaking_seconds": seconds}) == []
    assert failing(GOOD | {"speaking_seconds": [*seconds, -2.9, -3.1]}) == ["turns"]
    assert failing(GOOD | {"speaking_seconds": [None, None]}) == []


def test_reasons_are_words_with_numbers() -> None:
    text = why_none_passed(judge(GOOD | {"voiced": 0.01, "face_px": 20.0}, FilterConfig()))
    assert "no voice is heard (speech 0.01, bound 0.15)" in text
    assert "the face is too small (face_size 20, bound 64)" in text


def person(name: str, video: str, face: np.ndarray | None = None, **changes: Any) -> Any:
    return {
        "clip_id": name, "video_id": video, "speaker": None, "asked_split": None,
        "source_name": name, "embedding": None if face is None else face.tolist(),
    } | changes  # fmt: skip


def face(angle: float) -> np.ndarray:
    """Unit vectors in a plane: people are alike when their angles are."""
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def test_identity_is_the_label_else_the_face_else_the_video() -> None:
    clips = [
        person("a", "v1", speaker="Anna"),
        person("b", "v2", face(0.0)),
        person("c", "v3", face(0.1)),
        person("d", "v4", face(2.0)),
        person("e", "v5"),
    ]
    assign(clips, Identities(), SplitConfig())
    assert [clip["identity"] for clip in clips] == [
        "speaker:Anna", "face:b", "face:b", "face:d", "video:v5",
    ]  # fmt: skip
    assert clips[1]["split"] == clips[2]["split"]


def test_shares_are_as_configured() -> None:
    config = SplitConfig(val=0.1, test=0.2)
    found = [hashed_split(f"video:{k}", config) for k in range(4000)]
    assert found.count("test") / 4000 == pytest.approx(0.2, abs=0.03)
    assert found.count("val") / 4000 == pytest.approx(0.1, abs=0.03)
    other = [
        hashed_split(f"video:{k}", SplitConfig(val=0.1, test=0.2, salt="x")) for k in range(99)
    ]
    assert other != found[:99]


def test_a_face_between_two_splits_is_excluded() -> None:
    known = Identities()
    known.add("face:left", "train", face(0.0).tolist())
    known.add("face:right", "test", face(1.6).tolist())
    bridge, left = person("m", "v", face(0.8)), person("n", "w", face(0.1))
    assign([bridge], known, SplitConfig())
    assert bridge["split"] == "excluded"
    assign([left], known, SplitConfig())
    assert (left["identity"], left["split"]) == ("face:left", "train")


@settings(max_examples=60, deadline=None)
@given(
    angles=st.lists(st.floats(0, 6.28), min_size=1, max_size=25),
    cut=st.integers(0, 25),
    order=st.randoms(use_true_random=False),
)
def test_adding_footage_moves_nobody_and_leaks_nobody(
    angles: list[float], cut: int, order: random.Random
) -> None:
    clips = [person(f"c{k:02d}", f"v{k}", face(angle)) for k, angle in enumerate(angles)]
    order.shuffle(clips)
    config, known = SplitConfig(val=0.3, test=0.3), Identities()
    assign(clips[:cut], known, config)
    before = {clip["clip_id"]: clip["split"] for clip in clips[:cut]}
    assign(clips[cut:], known, config)
    assert {clip["clip_id"]: clip["split"] for clip in clips[:cut]} == before
    splits: dict[str, set[str]] = {}
    for clip in clips:
        if clip["split"] != "excluded":
            splits.setdefault(clip["identity"], set()).add(clip["split"])
    assert all(len(found) == 1 for found in splits.values())


def splits(clips: list[Any]) -> list[tuple[str, bool]]:
    return [(clip["split"], clip["divided"]) for clip in clips]


@pytest.mark.parametrize("asked", [("train", "test"), ("test", "train"), ("val", "test")])
def test_of_two_asked_splits_the_held_out_one_holds(asked: tuple[str, str]) -> None:
    clips = [person(f"c{k}", f"v{k}", speaker="Anna", asked_split=a) for k, a in enumerate(asked)]
    clips.append(person("c2", "v2", speaker="Anna"))
    assign(clips, Identities(), SplitConfig())
    left_out = asked.index("test") ^ 1
    assert splits(clips) == [
        ("excluded", True) if k == left_out else ("test", False) for k in range(3)
    ]


def test_a_convention_divides_no_labelled_speaker() -> None:
    names = ["WRA_MarcoRubio_000", "WRA_MarcoRubio_001", "WDA_DanKildee_000"]
    clips = [person(name, name, speaker="marco") for name in names]
    assign(clips, Identities(), SplitConfig(convention="hdtf"))
    assert splits(clips) == [("test", False), ("excluded", True), ("excluded", False)]


def test_faces_that_turn_out_to_be_one_person_are_in_one_split() -> None:
    clips = [
        person("a", "v1", face(0.0), asked_split="train"),
        person("b", "v2", face(0.1), asked_split="test"),
    ]
    assign(clips, Identities(), SplitConfig())
    assert clips[0]["identity"] == clips[1]["identity"]
    assert splits(clips) == [("excluded", True), ("test", False)]


def test_what_is_in_the_dataset_holds_unless_it_is_judged_again() -> None:
    for settled, expected in ((True, ("excluded", True)), (False, ("test", False))):
        known = Identities()
        known.add("speaker:Anna", "train", None, settled=settled)
        clips = [person("a", "v", speaker="Anna", asked_split="test")]
        assign(clips, known, SplitConfig())
        assert splits(clips) == [expected]
    known = Identities()
    known.add("speaker:Anna", "val", None, settled=False)
    clips = [person("a", "v", speaker="Anna")]
    assign(clips, known, SplitConfig())
    assert splits(clips) == [("val", False)]


@pytest.mark.parametrize("spelling", ["José", "Jose\u0301", " José", "José\t"])
def test_one_name_in_any_spelling_is_one_person(spelling: str) -> None:
    clips = [person("a", "v1", speaker="José"), person("b", "v2", speaker=spelling)]
    assign(clips, Identities(), SplitConfig())
    assert clips[0]["identity"] == clips[1]["identity"] == "speaker:José"


def test_a_divided_clip_is_not_accepted_and_the_reason_stands_with_it() -> None:
    assert failing(GOOD | {"divided": True}) == ["one_split"]
    assert failing(GOOD | {"divided": False}) == []
    text = why_none_passed(judge(GOOD | {"divided": True}, FilterConfig()))
    assert text == "the person is in another split (one_split 2, bound 1)"


CLAIMS = st.tuples(st.sampled_from("abc"), st.sampled_from([None, "train", "val", "test"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CLAIMS, max_size=6), max_size=4))
def test_whatever_is_asked_nobody_is_in_two_splits_and_nobody_moves(
    runs: list[list[tuple[str, str | None]]],
) -> None:
    known, there = Identities(), []
    for number, asked in enumerate(runs):
        before = splits(there)
        new = [
            person(f"c{number}-{k}", f"v{number}-{k}", speaker=who, asked_split=split)
            for k, (who, split) in enumerate(asked)
        ]
        assign(new, known, SplitConfig())
        assert splits(there) == before
        there += new
    shown = {(clip["identity"], clip["split"]) for clip in there if clip["split"] != "excluded"}
    assert len(shown) == len({identity for identity, _ in shown})
    for clip in there:
        if clip["asked_split"] is not None:
            assert clip["split"] in (clip["asked_split"], "excluded")


def test_an_asked_split_goes_before_everything() -> None:
    clip = person("WRA_MarcoRubio_000", "v", asked_split="train")
    assign([clip], Identities(), SplitConfig(convention="hdtf"))
    assert clip["split"] == "train"


def test_published_conventions() -> None:
    assert len(HDTF_TEST) == 41
    assert not HDTF_TEST & HDTF_EXCLUDED
    assert hdtf_split("WRA_MarcoRubio_000") == "test"
    assert hdtf_split("WDA_DanKildee_000") == "excluded"
    assert hdtf_split("RD_Radio1_000") == "train"
    assert hdtf_split("holiday") is None
    assert crema_d_split("1064_DFA_ANG_XX") == "test"
    assert crema_d_split("1001_DFA_ANG_XX") == "train"
    assert crema_d_split("holiday") is None
