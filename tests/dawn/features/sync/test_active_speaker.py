from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.features.faces.landmarks import FaceMesh
from dawn.features.sync import active_speaker
from dawn.features.sync.active_speaker import LEAST_FRAMES, ActiveSpeaker, sound_mfcc, speaker_crops
from dawn.features.sync.lr_asd import LrAsd
from manifests.errors import InputError
from tests.footage import read_audio, read_frames

CLIPS = ("c01_*", "c03_*", "c07_*", "c09_*")  # at 25 frames/s, with their own sound


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the published layout, with random numbers that keep signals alive."""
    torch.manual_seed(0)
    network = LrAsd()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
    ours = network.state_dict()
    names = {new: old for old, new in active_speaker._RENAMED.items()}
    state = {}
    for name, tensor in ours.items():
        prefix = next(new for new in names if name.startswith(new))
        state[names[prefix] + name.removeprefix(prefix)] = tensor
    state |= {"lossV.FC.weight": torch.zeros(2, 128), "lossV.FC.bias": torch.zeros(2)}
    path = tmp_path_factory.mktemp("weights") / "random.model"
    torch.save(state, path)
    return path


def random_clip(frames: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(frames)
    faces = rng.integers(0, 256, (frames, 112, 112), dtype=np.uint8)
    return faces, (rng.normal(size=frames * 640) * 3000).astype(np.int16)


def test_chunks_change_nothing(random_weights: Path, monkeypatch) -> None:
    speaker = ActiveSpeaker(random_weights)
    faces, wav = random_clip(40)
    mfcc = sound_mfcc(wav, 40)
    whole = speaker._encode(faces, mfcc)
    monkeypatch.setattr(active_speaker, "_CHUNK", 17)
    for at_once, in_chunks in zip(whole, speaker._encode(faces, mfcc), strict=True):
        torch.testing.assert_close(in_chunks, at_once, rtol=1e-4, atol=1e-5)


def test_margin_is_what_moving_the_features_gives(random_weights: Path, monkeypatch) -> None:
    monkeypatch.setattr(active_speaker, "_SCORED_AT_ONCE", 100)
    speaker = ActiveSpeaker(random_weights)
    faces, wav = random_clip(50)
    result = speaker.asd_margin(faces, wav)
    sound, picture = speaker._encode(faces, sound_mfcc(wav, 50))
    with torch.inference_mode():
        by_hand = np.array(
            [
                speaker._network.score(sound[:, 15 + k : 35 + k], picture[:, 15:35]).mean().item()
                for k in range(-15, 16)
            ]
        )
    np.testing.assert_allclose(result.scores, by_hand, rtol=1e-4, atol=1e-5)
    far = np.concatenate([by_hand[:8], by_hand[-8:]])
    assert result.margin == pytest.approx(by_hand[15] - far.mean(), abs=1e-5)
    assert result.offset_frames == 15 - by_hand.argmax()


def test_clips_that_cannot_be_scored_are_refused(random_weights: Path) -> None:
    speaker = ActiveSpeaker(random_weights)
    faces, wav = random_clip(LEAST_FRAMES)
    assert speaker.asd_margin(faces, wav[:-639]).scores.shape == (31,)
    with pytest.raises(InputError, match="needs 45 frames"):
        speaker.asd_margin(faces[:-1], wav)
    with pytest.raises(InputError, match="too few for 45 frames"):
        speaker.asd_margin(faces, wav[:-640])
    with pytest.raises(InputError, match="int16"):
        speaker.asd_margin(faces, wav / 32768)
    with pytest.raises(InputError, match="expected crops"):
        speaker.speaking_logits(faces[:, :100], sound_mfcc(wav, len(faces)))
    with pytest.raises(InputError, match="expected crops"):
        speaker.speaking_logits(faces, sound_mfcc(wav, len(faces) - 1))


def test_another_file_is_refused(tmp_path: Path) -> None:
    torch.save({"module.conv1.weight": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: lacks"):
        ActiveSpeaker(tmp_path / "other.pth")


@pytest.fixture(scope="module")
def speaker(shared: Path) -> ActiveSpeaker:
    return ActiveSpeaker(shared / "weights" / "lr_asd_ava.model")


@pytest.fixture(scope="module")
def clips(shared: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {pattern: face_and_sound(shared, pattern) for pattern in CLIPS}


@pytest.mark.shared
def test_real_speech_fits_best_in_place(speaker: ActiveSpeaker, clips) -> None:
    results = {name: speaker.asd_margin(*clip) for name, clip in clips.items()}
    assert sum(result.margin > 0 for result in results.values()) >= 3
    assert sum(abs(result.offset_frames) <= 3 for result in results.values()) >= 3


@pytest.mark.shared
def test_foreign_sound_fits_worse(speaker: ActiveSpeaker, clips) -> None:
    noise = (np.random.default_rng(0).normal(size=640 * 75) * 2000).astype(np.int16)
    gains = []
    for name, other in (("c01_*", "c03_*"), ("c03_*", "c01_*")):
        faces, wav = clips[name]
        own = mean_logit(speaker, faces, wav)
        assert mean_logit(speaker, faces, noise) < own - 1
        assert mean_logit(speaker, faces, np.zeros_like(noise)) < own - 3
        assert mean_logit(speaker, np.repeat(faces[:1], len(faces), axis=0), wav) < own - 3
        gains.append(own - mean_logit(speaker, faces, clips[other][1]))
    assert np.mean(gains) > 0  # another's speech wins on single clips of 3 s


@pytest.mark.shared
def test_late_sound_has_a_negative_offset(speaker: ActiveSpeaker, clips) -> None:
    faces, wav = clips["c03_*"]
    late = np.concatenate([wav[: 6 * 640], wav[: -6 * 640]])
    change = (
        speaker.asd_margin(faces, late).offset_frames - speaker.asd_margin(faces, wav).offset_frames
    )
    assert abs(change - -6) <= 1


def mean_logit(speaker: ActiveSpeaker, faces: np.ndarray, wav: np.ndarray) -> float:
    frames = min(len(faces), len(wav) // 640)
    return float(speaker.speaking_logits(faces[:frames], sound_mfcc(wav, frames)).mean())


def face_and_sound(shared: Path, pattern: str) -> tuple[np.ndarray, np.ndarray]:
    """The first 3 s of a clip: crops (75, 112, 112) and sound."""
    frames = read_frames(shared, pattern)[:75]
    with FaceMesh() as mesh:
        landmarks = [mesh.detect(frame) for frame in frames]
    corners = [(p[:, :2].min(axis=0), p[:, :2].max(axis=0)) for p in landmarks if p is not None]
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    return speaker_crops(frames, boxes), read_audio(shared, pattern)
