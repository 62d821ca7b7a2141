"""Networks behind `eval.metrics.rated`. They need PyTorch, which that imports when it measures."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from dawn.device import CPU, Placement, exact, onnx_device
from dawn.features.onnx_file import fixed_batch, open_onnx
from dawn.features.video.quality_networks import normalised
from dawn.torchvision_import import prepare_torchvision
from dawn.weights import load_into, load_state
from eval.metrics.networks import to_tensor, torchscript
from manifests.errors import InputError

Pictures = NDArray[np.uint8]
_PROMPTS = ("Good photo.", "Bad photo.")
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_LAYER = "encoder.layers.encoder_layer_"
_RENAMED = (
    ("norm1.", "ln_1."), ("norm2.", "ln_2."), ("attn.qkv.", "self_attention.in_proj_"),
    ("attn.proj.", "self_attention.out_proj."), ("mlp.fc1.", "mlp.0."), ("mlp.fc2.", "mlp.3."),
)  # fmt: skip


class ClipIqa:
    """CLIP's RN50 asked whether a photograph is good."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """`path`: OpenAI's TorchScript, of which the weights alone are taken. Raises InputError."""
        prepare_torchvision()
        try:
            import open_clip
            from open_clip.model import build_model_from_openai_state_dict
        except ImportError as error:
            raise InputError(
                "CLIP-IQA takes open_clip: pip install 'dawn-pipeline[ratings]'"
            ) from error
        state = dict(torchscript(path).state_dict())
        state.pop("attn_mask", None)  # a constant, which some scripts keep among the weights
        try:
            net = build_model_from_openai_state_dict(state, cast_dtype=torch.float32).float()
            # Added at each place of the picture, so that zeros of one place are none of any size.
            places = net.visual.attnpool.positional_embedding
            net.visual.attnpool.positional_embedding = nn.Parameter(torch.zeros_like(places[:1]))
        except (KeyError, RuntimeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: is not CLIP's RN50 ({reason})") from error
        self._net, self._device = net.eval().to(place.device), place.device
        with exact():
            words = self._net.encode_text(open_clip.tokenize(_PROMPTS).to(place.device))
            self._words = functional.normalize(words, dim=-1)

    def scores(self, pictures: Pictures) -> NDArray[np.float32]:
        """RGB (n, H, W, 3) to (n,), 0 to 1."""
        mean, deviation = (
            torch.tensor(v, device=self._device)[:, None, None]
            for v in (_CLIP_MEAN, _CLIP_DEVIATION)
        )
        with exact():
            x = (to_tensor(pictures, self._device) - mean) / deviation
            seen = functional.normalize(self._net.visual(x), dim=-1)
            chances = (100 * seen @ self._words.T).softmax(dim=-1)
            return chances[:, 0].cpu().numpy()


class Dino:
    """DINO's ViT: what a picture shows, as a unit vector. Depth and width are the file's."""

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Raises InputError."""
        prepare_torchvision()
        from torchvision.models import VisionTransformer

        state = load_state(path)
        try:
            width, patch = state["patch_embed.proj.weight"].shape[0::3]
            places = state["pos_embed"].shape[1] - 1
            layers = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
            hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: is no DINO vision transformer (it lacks {error})") from error
        self._side = round(places**0.5) * patch
        net = VisionTransformer(
            image_size=self._side, patch_size=patch, num_layers=layers, hidden_dim=width,
            num_heads=max(1, width // 64), mlp_dim=hidden,
        )  # fmt: skip
        net.heads = nn.Identity()
        load_into(net, {_renamed(name): value for name, value in state.items()}, path)
        self._net, self._device = net.eval().to(place.device), place.device

    def features(self, pictures: Pictures) -> NDArray[np.float32]:
        """RGB (n, S, S, 3) to unit vectors (n, width)."""
        with exact():
            x = normalised(pictures, self._device)
            x = functional.interpolate(x, size=(self._side, self._side), mode="bilinear")
            return functional.normalize(self._net(x), dim=-1).cpu().numpy()


def _renamed(name: str) -> str:
    """A tensor of DINO's as torchvision calls it."""
    if not name.startswith("blocks."):
        whole = {
            "cls_token": "class_token", "pos_embed": "encoder.pos_embedding",
            "patch_embed.proj.weight": "conv_proj.weight",
            "patch_embed.proj.bias": "conv_proj.bias",
            "norm.weight": "encoder.ln.weight", "norm.bias": "encoder.ln.bias",
        }  # fmt: skip
        return whole.get(name, name)
    _, number, rest = name.split(".", 2)
    for theirs, ours in _RENAMED:
        rest = rest.replace(theirs, ours)
    return f"{_LAYER}{number}.{rest}"


class ExportedRating:
    """An ONNX file that takes RGB (n, 3, H, W) in 0..1 and gives a score each, (n,) or (n, 1).

    Where the file has a size of its own, pictures are brought to it.
    """

    def __init__(self, path: Path, place: Placement = CPU) -> None:
        """Raises InputError."""
        self._path, self._session = path, open_onnx(path, onnx_device(place.device))
        shape = self._session.get_inputs()[0].shape
        if len(self._session.get_inputs()) != 1 or len(shape) != 4:
            raise InputError(f"{path}: must take pictures (n, 3, H, W) alone, takes {shape}")
        self._name, self._size = self._session.get_inputs()[0].name, shape[2:]
        self._one_by_one = fixed_batch(self._session)

    def scores(self, pictures: Pictures) -> NDArray[np.float32]:
        """RGB (n, H, W, 3) to (n,)."""
        x = np.stack([self._fitted(picture) for picture in pictures]).transpose(0, 3, 1, 2)
        x = np.ascontiguousarray(x, dtype=np.float32) / 255
        parts = np.split(x, len(x)) if self._one_by_one else [x]
        made = [self._session.run(None, {self._name: part})[0].reshape(-1) for part in parts]
        scores = np.concatenate(made).astype(np.float32)
        if len(scores) != len(pictures):
            raise InputError(f"{self._path}: must give a score each, gives {len(scores)} numbers")
        return scores

    def _fitted(self, picture: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - OpenCV is untyped
        height, width = self._size
        if not isinstance(height, int) or not isinstance(width, int):
            return picture
        if picture.shape[:2] == (height, width):
            return picture
        shrinks = picture.shape[0] > height
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return cv2.resize(picture, (width, height), interpolation=how)
