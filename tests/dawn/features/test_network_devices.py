"""Networks move with their modules: on the `meta` device, nothing in a pass is made elsewhere or
brought back. That needs no GPU, and what holds of it holds of a GPU.
"""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dawn.features.faces import threeddfa as faces
from dawn.features.faces.threeddfa import MobileNet
from dawn.features.sound.speaker import SpeakerEncoder
from dawn.features.sync import syncnet
from dawn.features.sync.direct import DirectPicture, DirectSound
from dawn.features.sync.lr_asd import LrAsd
from dawn.features.sync.package import syncnet_parts
from dawn.torchvision_import import prepare_torchvision
from eval.metrics import fid
from eval.metrics import lpips as lpips_metric
from eval.metrics.networks import Inception2015, Lpips
from tests.networks import inception_state

Pass = Callable[[], Tensor]


class Elsewhere(TorchDispatchMode):
    """Notes the operations that touch a tensor of another device than `meta`, and the bytes that
    are there at once of what is made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.bytes = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        leaves = tree_leaves((args, kwargs, result))
        if any(isinstance(leaf, Tensor) and leaf.device.type != "meta" for leaf in leaves):
            self.found.append(str(function))
        for made in tree_leaves(result):
            if isinstance(made, Tensor) and made.untyped_storage()._cdata not in self._known:
                self._note(made)
        return result

    def _note(self, made: Tensor) -> None:
        storage = made.untyped_storage()
        name, size = storage._cdata, storage.nbytes()
        self._known.add(name)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)

        def gone() -> None:
            self._known.discard(name)
            self.bytes -= size

        weakref.finalize(made, gone)


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def syncnet_network() -> Any:
    with syncnet_parts():
        from syncnet_python.SyncNetModel import S
    return S(num_layers_in_fc_layers=1024).eval()


def inception() -> Pass:
    net = Inception2015(inception_state(), "test").to("meta")
    return lambda: net(empty(2, 3, 128, 128))


def lpips(trunk: Any) -> Pass:
    prepare_torchvision()
    from torchvision import models

    whole = models.alexnet(weights=None) if trunk == "alex" else models.squeezenet1_1(weights=None)
    net = Lpips(trunk, whole.state_dict(), "test").to("meta")
    return lambda: net(empty(2, 3, 128, 128), empty(2, 3, 128, 128))


def picture() -> Pass:
    net = syncnet_network()
    moved = DirectPicture(net.netcnnlip, net.netfclip).to("meta")
    return lambda: moved(empty(6, 224, 224, 3, dtype=torch.uint8))


def sound() -> Pass:
    net = syncnet_network()
    moved = DirectSound(net.netcnnaud, net.netfcaud).to("meta")
    return lambda: moved(empty(2, 1, 13, 20))


def lr_asd() -> Pass:
    net = LrAsd().eval().to("meta")
    return lambda: net.score(
        net.encode_sound(empty(1, 48, 13)), net.encode_faces(empty(1, 12, 112, 112))
    )


def speaker() -> Pass:
    net: Any = SpeakerEncoder.__new__(SpeakerEncoder)
    nn.Module.__init__(net)
    net.lstm, net.linear = nn.LSTM(40, 256, 3, batch_first=True), nn.Linear(256, 256)
    moved = net.to("meta")
    return lambda: moved(empty(3, 160, 40))


def threeddfa() -> Pass:
    net = MobileNet().eval().to("meta")
    return lambda: net(empty(2, 3, 120, 120))


def hubert() -> Pass:
    prepare_torchvision()
    transformers = pytest.importorskip("transformers")
    config = transformers.HubertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8,) * 7, feat_extract_norm="layer", do_stable_layer_norm=True,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, vocab_size=5,
    )  # fmt: skip
    net = transformers.HubertModel(config).eval().to("meta")
    return lambda: net(empty(2, 8000)).last_hidden_state


NETWORKS: dict[str, Callable[[], Pass]] = {
    "inception": inception,
    "lpips alex": lambda: lpips("alex"),
    "lpips squeeze": lambda: lpips("squeeze"),
    "syncnet's pictures": picture,
    "syncnet's sound": sound,
    "lr-asd": lr_asd,
    "ge2e": speaker,
    "3ddfa": threeddfa,
    "hubert": hubert,
}


BYTES = {
    "inception": fid._PICTURE_BYTES,
    "lpips squeeze": lpips_metric._PIXEL_BYTES * 128**2,
    "syncnet's pictures": syncnet._WINDOW_BYTES,
    "3ddfa": faces._CROP_BYTES,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pass_stays_on_the_device_of_the_network(name: str) -> None:
    run, elsewhere = NETWORKS[name](), Elsewhere()
    with torch.inference_mode(), elsewhere:
        made = run()
    assert made.device.type == "meta"
    assert elsewhere.found == []
    stated = BYTES.get(name)
    if stated is not None:  # of two items: workspaces come on top of what is counted
        assert 4 * elsewhere.peak / 2 <= stated <= 8 * elsewhere.peak / 2


def test_what_is_made_elsewhere_is_found() -> None:
    elsewhere = Elsewhere()
    with elsewhere:
        empty(2).copy_(torch.ones(2))
    assert elsewhere.found
