"""Import of files laid out as the official release's, at tiny size."""

import pickle
from pathlib import Path

import pytest
import torch

from dawn.a2v.config import A2V_TINY
from dawn.a2v.model import A2V
from dawn.checkpoints import load_network
from dawn.lfg.config import LFG_TINY
from dawn.lfg.model import LFG
from dawn.official import import_file, seeded_face_mask_encoder, size_from_name
from dawn.pbnet.config import PBNET_TINY
from dawn.pbnet.model import PBNet
from manifests.errors import InputError


@pytest.fixture(scope="module")
def lfg_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("official") / "LFG.pth"
    net = LFG(LFG_TINY)
    parts = ("generator", "region_predictor", "bg_predictor")
    torch.save({part: getattr(net, part).state_dict() for part in parts} | {"epoch": 3}, path)
    return path


@pytest.fixture(scope="module")
def a2v_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("official") / "DAWN.pth"
    state = A2V(A2V_TINY).diffusion.state_dict()
    torch.save({"example": torch.zeros(2), "diffusion": state, "optimizer_diff": {}}, path)
    return path


@pytest.fixture
def pbnet_file(tmp_path) -> Path:
    path = tmp_path / "pose" / "checkpoint_40000.pth.tar"
    path.parent.mkdir()
    torch.save(PBNet(PBNET_TINY).state_dict(), path)
    return path


def test_the_flow_generator_comes_over_whole(lfg_file, tmp_path):
    card = import_file(lfg_file, tmp_path, size="tiny")
    assert (card.name, card.stage, card.source["file"]) == ("lfg", "lfg", "LFG.pth")
    network, _ = load_network(tmp_path, "lfg")
    official = torch.load(lfg_file, weights_only=True)
    ours = network.state_dict()
    for part in ("generator", "region_predictor", "bg_predictor"):
        for key, value in official[part].items():
            assert torch.equal(ours[f"{part}.{key}"], value)


def test_the_missing_encoder_is_reconstructed_and_recorded(a2v_file, tmp_path):
    zeros = import_file(a2v_file, tmp_path / "a", size="tiny")
    seeded = import_file(a2v_file, tmp_path / "b", size="tiny", face_mask_seed=7)
    assert zeros.source["face_mask_encoder"] == {"reconstruction": "zeros"}
    assert seeded.source["face_mask_encoder"] == {"reconstruction": "seed", "seed": 7}
    blank = load_network(tmp_path / "a", "a2v")[0].face_mask_encoder.state_dict()
    drawn = load_network(tmp_path / "b", "a2v")[0].face_mask_encoder.state_dict()
    expected = seeded_face_mask_encoder(LFG_TINY, A2V_TINY, 7)
    assert not any(value.any() for value in blank.values())
    assert all(torch.equal(drawn[key], value) for key, value in expected.items())


def test_reconstruction_leaves_the_random_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    seeded_face_mask_encoder(LFG_TINY, A2V_TINY, 7)
    assert torch.equal(torch.rand(3), expected)


def test_architecture_comes_from_the_options_file(pbnet_file, tmp_path):
    card = import_file(pbnet_file, tmp_path / "a", size="tiny")
    assert card.name == "pbnet_joint"
    assert card.architecture["architecture"] == "transformerreemb5"
    assert card.source["architecture_from"].startswith("assumed")
    options = pbnet_file.parent / "opt.yaml"
    options.write_text("archiname: transformerreemb6\nbatch_size: 40\n")
    card = import_file(pbnet_file, tmp_path / "b", size="tiny")
    assert card.architecture["architecture"] == "transformerreemb6"
    assert card.source["architecture_from"] == "opt.yaml"
    options.write_text("archiname: transformerreemb8\n")
    with pytest.raises(InputError, match="transformerreemb8"):
        import_file(pbnet_file, tmp_path / "c", size="tiny")
    options.write_text("archiname: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(InputError, match="plain YAML"):
        import_file(pbnet_file, tmp_path / "c", size="tiny")


def test_wrong_sizes_are_listed(lfg_file, a2v_file, tmp_path):
    with pytest.raises(InputError, match=r"mis-shaped: .* instead of"):
        import_file(lfg_file, tmp_path, size="128")
    with pytest.raises(InputError, match=r"missing: diffusion\.denoise_fn\.downs\."):
        import_file(a2v_file, tmp_path, size="128")
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_is_refused(lfg_file, tmp_path):
    checkpoint = torch.load(lfg_file, weights_only=True)
    checkpoint["generator"]["surprise.weight"] = torch.zeros(1)
    path = tmp_path / "LFG.pth"
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match=r"unknown: generator\.surprise\.weight"):
        import_file(path, tmp_path / "to", size="tiny")


class Payload:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, writer):
    path, touched = tmp_path / "DAWN_128.pth", tmp_path / "touched"
    harmful = {"diffusion": {"betas": torch.zeros(1)}, "example": Payload(touched)}
    if writer == "torch":
        torch.save(harmful, path)
    else:
        path.write_bytes(pickle.dumps(harmful))
    with pytest.raises(InputError, match="could run code"):
        import_file(path, tmp_path / "to")
    assert not touched.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "LFG_128.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"LFG_128\.pth"):
        import_file(path, tmp_path / "to")


def test_other_contents_are_refused(tmp_path):
    path = tmp_path / "other_128.pth"
    torch.save([1, 2], path)
    with pytest.raises(InputError, match="holds a list"):
        import_file(path, tmp_path / "to")
    torch.save({"state_dict": {}}, path)
    with pytest.raises(InputError, match="its keys are state_dict"):
        import_file(path, tmp_path / "to")
    with pytest.raises(InputError, match="cannot be read"):
        import_file(tmp_path / "absent.pth", tmp_path / "to")


def test_picture_size_comes_from_the_name_or_must_be_given(a2v_file, tmp_path):
    assert size_from_name(Path("LFG_256_400ep.pth")) == "256"
    assert size_from_name(Path("DAWN_128.pth")) == "128"
    with pytest.raises(InputError, match="--size"):
        import_file(a2v_file, tmp_path)


def test_another_network_in_the_folder_is_not_replaced(lfg_file, tmp_path):
    import_file(lfg_file, tmp_path / "to", size="tiny")
    import_file(lfg_file, tmp_path / "to", size="tiny")  # the same file again is fine
    other = tmp_path / "other.pth"
    checkpoint = torch.load(lfg_file, weights_only=True)
    torch.save(checkpoint | {"epoch": 4}, other)
    with pytest.raises(InputError, match=r"already there, from LFG\.pth"):
        import_file(other, tmp_path / "to", size="tiny")


def test_half_precision_is_widened(lfg_file, tmp_path):
    checkpoint = torch.load(lfg_file, weights_only=True)
    checkpoint["generator"]["final.bias"] = checkpoint["generator"]["final.bias"].half()
    path = tmp_path / "LFG.pth"
    torch.save(checkpoint, path)
    import_file(path, tmp_path / "to", size="tiny")
    assert load_network(tmp_path / "to", "lfg")[0].generator.final.bias.dtype == torch.float32
