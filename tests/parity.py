"""Compare our networks with recorded outputs of the official ones.

    python -m tests.parity FILE…

A file holds `state/…`, `in/…` and `out/…` tensors and, in its metadata, the module's sizes as
JSON under `config`. The module is built from those sizes, loads the state strictly, and every
output is recomputed. Prints the largest difference of each; exits with 1 beyond the tolerance.

An excerpt (`tests.excerpts` makes them) is such a file without the tensors that its seed draws
again, named under `drawn`, and with every n-th value of the large outputs, n under `strides`.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from dawn.a2v.config import MOTION_CHANNELS, A2VConfig, DiffusionConfig, UNetConfig
from dawn.a2v.model import A2V
from dawn.a2v.sampling import SamplerConfig, sample
from dawn.lfg.config import HourglassConfig, LFGConfig
from dawn.lfg.model import LFG
from dawn.pbnet.config import PBNetConfig
from dawn.pbnet.encoder import sinusoidal_table
from dawn.pbnet.model import PBNet

TOLERANCE = 1e-4

EXCERPTS = Path(__file__).parent / "dawn" / "recordings"

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Recording:
    """One file: the module's sizes, its state, what went in and what came out."""

    config: dict[str, Any]
    state: Tensors
    inputs: Tensors
    outputs: Tensors
    strides: dict[str, int] = field(default_factory=dict)
    """Of outputs of which only every n-th value was kept."""


@dataclass(frozen=True)
class Draw:
    """Where in the stream of a seed a tensor was drawn, and how."""

    at: int
    shape: list[int]
    low: float | None = None
    """Uniform from `low` to -low, or to 1 where it is 0; None: normal."""


def draw(seed: int, draws: dict[str, Draw]) -> Tensors:
    """What PyTorch's generator for the CPU gives after `manual_seed`."""
    end = max(d.at + math.prod(d.shape) for d in draws.values())
    stream = torch.rand(end, generator=torch.Generator().manual_seed(seed))
    found = {}
    for name, d in draws.items():
        if d.low is None:
            generator = torch.Generator().manual_seed(seed)
            torch.rand(d.at, generator=generator)
            found[name] = torch.randn(d.shape, generator=generator)
        else:
            part = stream[d.at : d.at + math.prod(d.shape)].view(d.shape)
            found[name] = part * ((-d.low or 1.0) - d.low) + d.low
    return found


def read(path: Path) -> Recording:
    with safe_open(path, "pt") as file:
        about = {key: json.loads(text) for key, text in file.metadata().items() if key != "mode"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if "drawn" in about:
        draws = {name: Draw(*values) for name, values in about["drawn"].items()}
        tensors |= draw(about["seed"], draws)
    parts = {
        part: {k.removeprefix(part): v for k, v in tensors.items() if k.startswith(part)}
        for part in ("state/", "in/", "out/")
    }
    strides = about.get("strides", {})
    return Recording(about["config"], parts["state/"], parts["in/"], parts["out/"], strides)


def differences(recording: Recording) -> dict[str, float]:
    """The largest absolute difference of every recorded output."""
    stages: dict[str, Callable[[Recording], Tensors]] = {
        "diffusion.": a2v_outputs,
        "generator.": lfg_outputs,
        "decoder.": pbnet_outputs,
    }
    (outputs,) = (run for prefix, run in stages.items() if has(recording.state, prefix))
    with torch.no_grad():
        ours = outputs(recording)
    return {
        name: difference(name, thinned(ours[name], recording.strides.get(name, 1)), expected)
        for name, expected in recording.outputs.items()
    }


def thinned(output: Tensor, stride: int) -> Tensor:
    return output if stride == 1 else output.flatten()[::stride]


def has(state: Tensors, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in state)


def difference(name: str, ours: Tensor, expected: Tensor) -> float:
    assert ours.shape == expected.shape, (name, ours.shape, expected.shape)
    gap = (ours - expected).abs()
    if name.endswith("affine"):  # a square root of covar: its columns have no sign
        gap = torch.minimum(gap.amax(-2), (ours + expected).abs().amax(-2))
    return float(gap.max())


def a2v_config(config: dict[str, Any]) -> A2VConfig:
    unet = UNetConfig(
        dim=config["dim"],
        dim_mults=tuple(config["dim_mults"]),
        image_channels=config["image_feature_channels"],
        mask_channels=config["face_mask_channels"],
        audio_dim=config["cond_audio"],
        pose_dim=config["cond_pose"],
        eye_dim=config["cond_eye"],
        heads=config["attn_heads"],
        head_dim=config["attn_dim_head"],
        groups=config["resnet_groups"],
    )
    assert config["channels"] == MOTION_CHANNELS + unet.feature_channels
    diffusion = DiffusionConfig(
        timesteps=config["timesteps"],
        threshold_percentile=config["dynamic_threshold_percentile"],
    )
    return A2VConfig(
        image_size=4 * config["latent_size"],
        window=config["window"],
        unet=unet,
        diffusion=diffusion,
    )


def a2v_outputs(recording: Recording) -> Tensors:
    config = a2v_config(recording.config)
    diffusion = A2V(config).diffusion.eval()
    state = {name.removeprefix("diffusion."): value for name, value in recording.state.items()}
    diffusion.load_state_dict(state, strict=True)
    given, window = recording.inputs, config.window
    z, features = given["x"].split((MOTION_CHANNELS, config.unet.feature_channels), dim=1)
    cond, times = given["cond"], given["t"]
    still = torch.cat((given["image_feature"], given["face_mask_feature"]), dim=1)
    unet = diffusion.denoise_fn
    outputs = {
        "windowed": unet(z, features, cond, times, window),
        "full_attention": unet(z, features, cond, times),
        "null_cond": unet(z, features, torch.zeros_like(cond), times, window),
    }
    loss = diffusion.loss(given["x0"], still, cond, times, given["loss_noise"])
    outputs |= {"loss_elementwise": loss.elementwise, "pred_x0": loss.predicted_z0}
    for name in recording.outputs:
        if found := re.fullmatch(r"cond_scale_([\d.]+)", name):
            guidance = float(found[1])
            prepared = diffusion.prepare(features, cond, window, guidance)
            outputs[name] = diffusion.guided_noise(z, prepared, times, guidance)
        elif found := re.fullmatch(r"ddim(\d+)_eta0_scale([\d.]+)", name):
            sampler = SamplerConfig(steps=int(found[1]), eta=0.0, guidance=float(found[2]))
            outputs[name] = sample(
                diffusion, still, cond, sampler, window=window, noise=given["noise"]
            )
    return outputs


def hourglass(params: dict[str, Any]) -> HourglassConfig:
    names = ("block_expansion", "max_features", "num_blocks")
    return HourglassConfig(**{name: params[name] for name in names})


def lfg_config(config: dict[str, Any], image_size: int) -> LFGConfig:
    generator, regions = config["generator_params"], config["region_predictor_params"]
    flow = generator["pixelwise_flow_predictor_params"]
    return LFGConfig(
        image_size=image_size,
        image_channels=config["num_channels"],
        num_regions=config["num_regions"],
        temperature=regions["temperature"],
        region_scale=regions["scale_factor"],
        flow_scale=flow["scale_factor"],
        regions=hourglass(regions),
        background=hourglass(config["bg_predictor_params"]),
        flow=hourglass(flow),
        block_expansion=generator["block_expansion"],
        max_features=generator["max_features"],
        num_down_blocks=generator["num_down_blocks"],
        num_bottleneck_blocks=generator["num_bottleneck_blocks"],
    )


def lfg_outputs(recording: Recording) -> Tensors:
    source, driving = recording.inputs["source"], recording.inputs["driving"]
    lfg = LFG(lfg_config(recording.config, source.shape[-1])).eval()
    lfg.load_state_dict(recording.state, strict=True)
    result = lfg(source, driving)
    motion = result.motion
    outputs = {
        "prediction": result.prediction,
        "deformed": result.deformed,
        "bottle_neck_feat": result.features,
        "optical_flow": motion.flow,
        "occlusion_map": motion.occlusion,
        "bg_params": motion.background,
        "forward_with_flow.prediction": lfg.render(
            source, recording.outputs["optical_flow"], recording.outputs["occlusion_map"]
        ),
    }
    for prefix, regions in (
        ("source_region", motion.source_regions),
        ("driving_region", motion.driving_regions),
    ):
        outputs |= {f"{prefix}/{name}": value for name, value in regions._asdict().items()}
    return outputs


def pbnet_config(config: dict[str, Any]) -> PBNetConfig:
    return PBNetConfig(
        architecture=config["architecture"],
        pose_dim=config["pos_dim"],
        eye_dim=config["eye_dim"],
        audio_dim=config["audio_dim"],
        width=config["pose_latent_dim"],
        latent_dim=config["audio_latent_dim"],
        feedforward=config["ff_size"],
        layers=config["num_layers"],
        heads=config["num_heads"],
        relative_buckets=config["num_buckets"],
        relative_distance=config["max_distance"],
    )


def pbnet_outputs(recording: Recording) -> Tensors:
    config = pbnet_config(recording.config)
    net = PBNet(config).eval()
    # the fixed tables, large and the same in every checkpoint, are left out of recordings
    tables = {
        "encoder.sequence_pos_encoder.pe": sinusoidal_table(
            config.max_frames, config.encoder_width
        ),
        "decoder.sequence_pos_encoder.pe": sinusoidal_table(config.max_frames, config.width),
    }
    net.load_state_dict(tables | recording.state, strict=True)
    states, audio = recording.inputs["x"], recording.inputs["audio"]
    mean, log_variance = net.encoder(states, audio)
    decoded = net.decoder(states[:, 0], audio, recording.inputs["z"], config.window)
    return {"mu": mean, "logvar": log_variance, "decoded": decoded}


def main() -> int:
    parser = argparse.ArgumentParser(description="compare with recorded official outputs")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    arguments = parser.parse_args()
    good = True
    for path in arguments.files:
        for name, gap in differences(read(path)).items():
            within = gap <= arguments.tolerance  # false for NaN
            good &= within
            print(f"{path.name}  {name:32} {gap:.3g}{'' if within else '  TOO LARGE'}")  # noqa: T201
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
