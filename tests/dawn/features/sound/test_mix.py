"""A voice keeps its level, whichever loudspeaker it was meant for."""

import numpy as np
import pytest

from dawn.features.sound.mix import mix_down
from dawn.synthetic.voice import speak

VOICE = speak(1.0, 1)
NOISE = (0.02 * np.random.default_rng(0).standard_normal((8, len(VOICE)))).astype(np.float32)
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def level_db(mixed: np.ndarray) -> float:
    """Of the voice in a mix, against the voice."""
    return float(20 * np.log10(abs(mixed @ VOICE) / (VOICE @ VOICE)))


def carried(names: tuple[str, ...], by: set[str]) -> np.ndarray:
    """The voice in some channels, and nothing in the others."""
    return np.stack([VOICE if name in by else 0 * VOICE for name in names])


@pytest.mark.parametrize("names", [SURROUND, ("NONE",) * 6, ("FL", "FR", "FC"), ("FC", "FL", "FR")])
def test_the_centre_keeps_its_level(names: tuple[str, ...]) -> None:
    places = SURROUND if "NONE" in names else names
    rows = carried(places, {"FC"})
    assert abs(level_db(mix_down(rows, names))) < 0.01
    assert abs(level_db(mix_down(rows + NOISE[: len(rows)], names))) < 0.1


def test_left_and_right_are_as_in_stereo() -> None:
    rows = carried(SURROUND, {"FL", "FR"})
    assert abs(level_db(mix_down(rows, SURROUND))) < 0.01
    assert not mix_down(carried(SURROUND, {"LFE"}), SURROUND).any()
    assert level_db(mix_down(carried(SURROUND, {"BL"}), SURROUND)) == pytest.approx(-9.03, abs=0.01)


@pytest.mark.parametrize("count", range(2, 9))
def test_a_voice_in_every_channel_is_not_louder(count: int) -> None:
    rows = np.tile(VOICE, (count, 1))
    for names in (("NONE",) * count, (*SURROUND, "SL", "SR")[:count]):
        assert np.allclose(mix_down(rows, names), VOICE, atol=1e-6)


def test_opposite_channels_do_not_cancel() -> None:
    rows = np.stack([VOICE, -VOICE])
    assert np.array_equal(mix_down(rows), VOICE)
    assert abs(level_db(mix_down(rows + 0.2 * NOISE[:2]))) < 0.1
    surround = np.concatenate([rows, np.zeros((4, len(VOICE)), np.float32)])
    assert abs(level_db(mix_down(surround, SURROUND))) < 0.01


def test_other_stereo_is_the_mean_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    for rows in (
        np.stack([VOICE, VOICE]),
        np.stack([VOICE, 0.5 * VOICE + NOISE[0]]),
        np.stack([VOICE, 0 * VOICE]),
        np.stack([0 * VOICE, VOICE]),
        rng.uniform(-1, 1, (2, 1000)).astype(np.float32),
        np.zeros((2, 10), np.float32),
    ):
        assert np.array_equal(mix_down(rows, ("FL", "FR")), rows.mean(axis=0))


@pytest.mark.parametrize("names", [("NONE",) * 16, ("AMBI0", "AMBI1", "AMBI2", "AMBI3"), ()])
def test_what_is_no_loudspeaker_is_averaged(names: tuple[str, ...]) -> None:
    rows = np.random.default_rng(2).uniform(-1, 1, (len(names) or 6, 100)).astype(np.float32)
    assert np.array_equal(mix_down(rows, names), rows.mean(axis=0))
