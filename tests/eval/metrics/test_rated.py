"""Networks that rate: the real loading code on small or random weights, since the files
themselves cannot be had here.
"""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from dawn.curation import extraction as curation
from dawn.curation.networks import measure
from dawn.features.faces.crop import Square
from dawn.features.video.decode import read_frames
from dawn.features.video.probe import probe
from dawn.features.video.quality_networks import Dover, HyperIQA
from dawn.recipe import IngestConfig, Recipe
from eval.metrics.av_hubert import AVSU, filterbank
from eval.metrics.interface import Excluded, Reason, Value
from eval.metrics.rated import (
    CLIP_IQA,
    DOVER,
    HYPERIQA,
    SUBJECT_CONSISTENCY,
    THL_AESTHETICS,
    THL_MOUTH,
    _hyperiqa,
)
from eval.metrics.rating_networks import ClipIqa, Dino, ExportedRating
from eval.protocol.card import ProtocolCard
from eval.protocol.clips import Clip, ClipSettings, Pair, square
from eval.results.conditions import Conditions
from manifests.errors import InputError
from tests.films import drift, hum, write_film
from tests.onnx_files import node, write_graph

CARD = ProtocolCard(name="test", size=224, skip_first=0, stride=5)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "a.mkv", drift(20), hum(20))


def pair(film: Path, stride: int = 5, **weights: Path) -> Pair:
    settings = ClipSettings(card=replace(CARD, stride=stride), weights=weights)
    return Pair("a", Clip(film, settings), Clip(film, settings))


def seen(made: Pair) -> Pair:
    """With a face that the mesh did not have to find."""
    for clip in (made.generated, made.reference):
        points = np.random.default_rng(1).uniform(60, 160, (478, 3)).astype(np.float32)
        clip.__dict__["landmarks"] = np.repeat(points[None], clip.frames, axis=0)
    return made


def pictures(count: int, side: int = 224) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, side, side, 3), np.uint8)


def random_state(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        name: torch.rand_like(value) * 0.02 if value.is_floating_point() else value
        for name, value in net.state_dict().items()
    }


@pytest.fixture(scope="module")
def hyperiqa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights under the names and shapes of the published file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dawn.features.video.quality_networks.load_into", lambda *_: None)
        net = HyperIQA({}, "none")
    path = tmp_path_factory.mktemp("hyperiqa") / "koniq_pretrained.pkl"
    torch.save(random_state(net), path)
    return path


def test_hyperiqa_is_a_network_whose_last_layers_the_picture_makes(
    film: Path, hyperiqa: Path
) -> None:
    state = torch.load(hyperiqa, weights_only=True)
    assert state["fc1w_conv.weight"].shape == (512, 112, 3, 3)
    assert state["res.lda1_fc.weight"].shape == (16, 1024)
    net = HyperIQA(state, hyperiqa)
    x = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        vector, deepest = net._features(x)
        hyper = net.conv1(deepest)
        pooled = functional.adaptive_avg_pool2d(hyper, 1).squeeze()
        expected = []
        for one in range(2):  # as the paper has it: one picture, one small network of its own
            y = vector[one]
            for layer, (wide, narrow) in enumerate(net._layers(), start=1):
                weight = net.get_submodule(f"fc{layer}w_conv")(hyper)[one].reshape(narrow, wide)
                y = torch.sigmoid(weight @ y + net.get_submodule(f"fc{layer}b_fc")(pooled[one]))
            expected.append(net.fc5w_fc(pooled[one]) @ y + net.fc5b_fc(pooled[one])[0])
        torch.testing.assert_close(net(x), torch.stack(expected))
    found = HYPERIQA.measure(pair(film, stride=20, hyperiqa_koniq=hyperiqa))
    assert isinstance(found, Value)
    assert found.n == 1
    assert found.value == found.reference
    assert _hyperiqa(hyperiqa).scores(pictures(1, 100)).shape == (1,)  # smaller ones are enlarged


def test_ingest_rates_with_the_same_networks(
    film: Path, hyperiqa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dover_file(tmp_path / "onnx_dover.onnx")
    monkeypatch.setenv("DAWN_WEIGHTS", f"{hyperiqa.parent}{os.pathsep}{tmp_path}")
    asked = {"hyperiqa", "dover"}
    assert asked <= Recipe.resolve(IngestConfig()).weights.keys()
    crops = [square(frame, 224) for _, frame in read_frames(film, probe(film))]
    large = write_film(tmp_path / "large.mkv", crops)
    none = np.zeros(0, np.float32)
    clip = curation.Clip(
        start=0, track=0, shot=0, square=Square(0, 0, 224), size=224, video=large, sound=large,
        samples=none, found=none.astype(bool), landmarks=none, pose=none, head=none, eyes=none,
        mouth=none, boxes=none, blinks=[], speech=None, measures={}, picture_hashes=[],
        mirror_hashes=[], motion_curves=none.astype(np.uint8), kept={0: crops[0], 5: crops[5]},
    )  # fmt: skip
    row = measure(clip, asked)
    scores = _hyperiqa(hyperiqa).scores(np.stack([crops[0], crops[5]]))
    assert row["hyperiqa"] == pytest.approx(float(np.median(scores)))
    assert row["dover"] == Dover(tmp_path / "onnx_dover.onnx").rate(crops).overall
    clip.video = film  # its pictures have fewer pixels than DOVER's pieces take
    assert measure(clip, {"dover"}) == {"dover": None}


def test_dino_loads_the_published_names_and_still_pictures_are_consistent(
    tmp_path: Path, film: Path
) -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.models.VisionTransformer(
        img_size=32, patch_size=16, embed_dim=64, depth=2, num_heads=1, num_classes=0
    ).eval()
    path = tmp_path / "dino.pth"
    torch.save(theirs.state_dict(), path)
    net = Dino(path)
    x = pictures(3, 32)
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    given = (torch.from_numpy(x).float() / 255 - mean) / deviation
    with torch.inference_mode():
        expected = functional.normalize(theirs(given.permute(0, 3, 1, 2)), dim=-1).numpy()
    np.testing.assert_allclose(net.features(x), expected, atol=1e-5)
    moving = SUBJECT_CONSISTENCY.measure(pair(film, dino_vitb16=path))
    assert isinstance(moving, Value)
    assert 0 <= moving.value <= 1
    still = pair(film, dino_vitb16=path)
    still.generated.still = True
    frozen = SUBJECT_CONSISTENCY.measure(still)
    assert isinstance(frozen, Value)
    assert frozen.value == pytest.approx(1, abs=1e-5)
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="no DINO vision transformer"):
        Dino(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_clip_iqa_takes_the_weights_of_openai_s_file(tmp_path: Path, film: Path) -> None:
    pytest.importorskip("open_clip")
    from dawn.torchvision_import import prepare_torchvision

    prepare_torchvision()
    import open_clip

    torch.manual_seed(0)
    theirs = open_clip.CLIP(
        embed_dim=16, quick_gelu=True,
        vision_cfg={"layers": (1, 1, 1, 1), "width": 8, "image_size": 64, "head_width": 32},
        text_cfg={"width": 64, "heads": 1, "layers": 1},
    ).eval()  # fmt: skip
    words = open_clip.tokenize(["Good photo.", "Bad photo."])
    path = tmp_path / "RN50.pt"
    torch.jit.trace(theirs, (torch.zeros(1, 3, 64, 64), words[:1]), check_trace=False).save(path)
    net = ClipIqa(path)
    x = pictures(2, 96)  # not of the network's own size: it has no position embedding
    scores = net.scores(x)
    assert scores.shape == (2,)
    torch.nn.init.zeros_(theirs.visual.attnpool.positional_embedding)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    small = pictures(1, 64)
    given = ((torch.from_numpy(small).float() / 255 - mean) / deviation).permute(0, 3, 1, 2)
    with torch.inference_mode():
        image = theirs.encode_image(given, normalize=True)
        chances = (100 * image @ theirs.encode_text(words, normalize=True).T).softmax(-1)
    assert net.scores(small)[0] == pytest.approx(float(chances[0, 0]), abs=1e-3)
    found = CLIP_IQA.measure(pair(film, clip_rn50=path))
    assert isinstance(found, Value)
    assert 0 <= found.value <= 1


def dover_file(path: Path) -> Path:
    shapes: dict[str, list[int | str]] = {
        "aes_view": [1, 3, 32, 224, 224], "tech_view": [1, 3, 32, 224, 224],
    }  # fmt: skip
    nodes = [
        node("ReduceMean", ["aes_view"], "a", axes=[1, 2, 3, 4], keepdims=0),
        node("ReduceMean", ["tech_view"], "t", axes=[1, 2, 3, 4], keepdims=0),
    ]
    return write_graph(path, nodes, shapes, {"a": [1], "t": [1]})


def test_dover_sees_the_whole_and_fragments_and_fuses_as_published(
    tmp_path: Path, film: Path
) -> None:
    net = Dover(dover_file(tmp_path / "onnx_dover.onnx"))
    grey = np.full((256, 256, 3), 128, np.uint8)
    level = float(
        np.mean((128 / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]))
    )
    rating = net.rate([grey] * 10)
    t, a = (level - 0.1107) / 0.07355, (level + 0.08285) / 0.03774
    expected = 1 / (1 + np.exp(-(0.6104 * t + 0.3896 * a)))
    assert rating.overall == pytest.approx(expected, abs=2e-3)
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(256, 0).repeat(3, 2)
    pieces = net._pieces(ramp)
    assert pieces.shape == (224, 224, 3)
    steps = np.diff(pieces[0, :, 0].astype(int))
    assert set(steps[31::32]) <= {4, 5, 6}  # what lies between two pieces is left out
    assert (np.delete(steps, np.arange(31, 223, 32)) == 1).all()  # pixels of a piece adjoin
    found = DOVER.measure(pair(film, dover=tmp_path / "onnx_dover.onnx"))
    assert isinstance(found, Value)
    assert found.value == found.reference
    small = ClipSettings(card=ProtocolCard(name="small", size=128), weights={})
    clips = Clip(film, small), Clip(film, small)
    assert DOVER.measure(Pair("a", *clips)) == Excluded(Reason.TOO_SMALL)


@pytest.mark.parametrize("size", [64, "side"])
def test_exported_ratings(tmp_path: Path, film: Path, size: int | str) -> None:
    path = write_graph(
        tmp_path / "musiq_koniq.onnx",
        [node("ReduceMean", ["x"], "y", axes=[1, 2, 3], keepdims=0)],
        {"x": ["n", 3, size, size]}, {"y": ["n"]},
    )  # fmt: skip
    x = pictures(3, 64)
    expected = x.reshape(3, -1).mean(axis=1) / 255
    np.testing.assert_allclose(ExportedRating(path).scores(x), expected, atol=1e-4)
    whole = THL_AESTHETICS.measure(pair(film, topiq_iaa=path))
    mouth = THL_MOUTH.measure(seen(pair(film, musiq_koniq=path)))
    for found in (whole, mouth):
        assert isinstance(found, Value)
        assert found.n == 4
        assert found.value == found.reference


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = write_graph(
        tmp_path / "x.onnx", [node("Flatten", ["x"], "y")], {"x": ["n", 3, 8, 8]}, {"y": ["n", 192]}
    )
    with pytest.raises(InputError, match="must give a score each"):
        ExportedRating(path).scores(pictures(2, 8))
    with pytest.raises(InputError, match="must take pictures"):
        ExportedRating(dover_file(tmp_path / "d.onnx"))
    (tmp_path / "y.onnx").write_bytes(b"no")
    with pytest.raises(InputError, match="cannot be opened as ONNX"):
        ExportedRating(tmp_path / "y.onnx")


def test_av_hubert_compares_mouth_and_sound(tmp_path: Path, film: Path) -> None:
    random = np.random.default_rng(0)
    frames = 20
    path = write_graph(
        tmp_path / "av_hubert_features.onnx",
        [
            node("ReduceMean", ["video"], "rows", axes=[1, 3], keepdims=0),
            node("MatMul", ["rows", "wv"], "v"),
            node("Transpose", ["audio"], "turned", perm=[0, 2, 1]),
            node("MatMul", ["turned", "wa"], "a"),
        ],
        {"video": [1, 1, "t", 88, 88], "audio": [1, 104, "t"]},
        {"v": [1, "t", 8], "a": [1, "t", 8]},
        {"wv": random.normal(size=(88, 8)), "wa": random.normal(size=(104, 8))},
    )
    found = AVSU.measure(seen(pair(film, av_hubert=path)))
    assert isinstance(found, Value)
    assert -1 <= found.value <= 1
    assert found.n == frames
    sound = filterbank(random.normal(0, 0.1, frames * 640).astype(np.float32), frames)
    assert sound.shape == (104, frames)
    np.testing.assert_allclose(sound[:, 3].mean(), 0, atol=1e-4)
    np.testing.assert_allclose(sound[:, 3].std(), 1, atol=1e-2)


def test_unavailable_until_the_files_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hyperiqa: Path
) -> None:
    new = ("hyperiqa", "clip_iqa", "dover", "subject_consistency_dino", "thl_face", "avsu_avhubert")
    standings = Conditions.resolve(CARD).standings(new)
    assert {one.status for one in standings.values()} == {"unavailable"}
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path))
    dover_file(tmp_path / "onnx_dover.onnx")
    (tmp_path / "RN50.pt").write_bytes(b"another file")
    there: dict[str, Any] = dict(Conditions.resolve(CARD).standings(new))
    assert there["dover"].status == "proxy"
    assert "no sha256 is registered" in there["dover"].reason
    assert there["clip_iqa"].status == "unavailable"  # its digest is known, and this is not it
    assert hashlib.sha256(b"another file").hexdigest()[:8] not in str(there["clip_iqa"].hash)


def test_a_library_that_is_absent_makes_a_metric_unavailable() -> None:
    found = Conditions.resolve(CARD)
    libraries = {**found.libraries, "scikit-image": "absent"}
    standing = Conditions(CARD, found.weights, found.absent, libraries).standing("niqe_skimage")
    assert (standing.status, standing.reason) == ("unavailable", "not installed: scikit-image")
