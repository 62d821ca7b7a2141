"""The official path end to end at full size: import its files, generate, a valid video.

Random weights in the official layout stand for the released ones.
"""

from dataclasses import replace
from pathlib import Path

import av
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from dawn.a2v.config import A2V_128
from dawn.a2v.model import A2V
from dawn.curation import networks
from dawn.features.sound import hubert
from dawn.lfg.config import LFG_128
from dawn.lfg.model import LFG
from dawn.official import import_file
from dawn.pbnet.config import PBNET_BLINK, PBNET_POSE
from dawn.pbnet.model import PBNet
from dawn.sampling.settings import GenerateConfig
from manifests.errors import InputError
from pipeline.generate.single import Single, generate_one
from tests.dawn.sampling.test_voice import chirp, write_wav


def write_release(folder: Path) -> list[Path]:
    """Files named and laid out as the release's."""
    torch.manual_seed(0)
    lfg = LFG(LFG_128)
    parts = ("generator", "region_predictor", "bg_predictor")
    torch.save(
        {part: getattr(lfg, part).state_dict() for part in parts} | {"epoch": 1000},
        folder / "LFG_128_1000ep.pth",
    )
    diffusion = A2V(A2V_128).diffusion.state_dict()
    torch.save({"example": torch.zeros(1), "diffusion": diffusion}, folder / "DAWN_128.pth")
    files = [folder / "LFG_128_1000ep.pth", folder / "DAWN_128.pth"]
    for name, config in (("pose", PBNET_POSE), ("blink", PBNET_BLINK)):
        path = folder / "pbnet" / name / "checkpoint_40000.pth.tar"
        path.parent.mkdir(parents=True)
        torch.save(PBNet(config).state_dict(), path)
        (path.parent / "opt.yaml").write_text("archiname: transformerreemb5\n")
        files.append(path)
    return files


def write_small_hubert(folder: Path) -> None:
    """HuBERT's architecture with one layer, 1024 wide as the large one."""
    from transformers import HubertConfig, HubertModel

    config = HubertConfig(
        hidden_size=1024, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        conv_dim=(32,) * 7, num_conv_pos_embeddings=16, do_stable_layer_norm=True,
        feat_extract_norm="layer",
    )  # fmt: skip
    HubertModel(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true}')


@pytest.mark.slow
def test_the_official_files_make_a_video(tmp_path, monkeypatch):
    model, weights = tmp_path / "official-128", tmp_path / "weights"
    for file in write_release(tmp_path):
        import_file(file, model, face_mask_seed=1234)
    Image.fromarray(astronaut()).save(tmp_path / "face.png")
    write_wav(tmp_path / "voice.wav", chirp(0.4, 44100), 44100)
    config = GenerateConfig(steps=2)
    request = Single(
        checkpoint=model, image=tmp_path / "face.png", audio=tmp_path / "voice.wav",
        out=tmp_path / "out.mp4", config=config, device="cpu",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"'hubert_large' are needed"):
        generate_one(request)
    assert not request.out.exists()
    hubert.prepare_torchvision()
    write_small_hubert(weights / "hubert-large-ls960-ft")
    monkeypatch.setenv("DAWN_WEIGHTS", str(weights))
    made = generate_one(request)
    assert (made.frames, made.size) == (10, 128)
    with av.open(str(request.out)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, video.frames) == (128, 128, 10)
        assert audio.rate == 44100
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video)]
    assert len(frames) == 10
    assert all(frame.std() > 1 for frame in frames)
    again = replace(request, out=tmp_path / "again.mp4")
    generate_one(again)
    assert again.out.read_bytes() == request.out.read_bytes()
    networks._hubert.cache_clear()  # of small random weights: nobody else's
