"""Which device the networks of a run's jobs get: decided once, by the executor, from what the user
asks for and what Ray has. Jobs carry the answer (`dawn.device.Placement`) to their workers.
"""

import os
import re
from collections.abc import Mapping

from dawn.device import CPU, DeviceError, Placement, onnx_remark, pick_device
from manifests.errors import InputError

SHARE = 0.25
"""Of a GPU for each worker, where none is given: decoding and face meshes keep a worker's processor
busy between networks, and a quarter of any card that is in use holds its networks.
"""

VISIBLE = "CUDA_VISIBLE_DEVICES"


def on_cluster(address: str | None) -> bool:
    """Whether work goes to a Ray that was started elsewhere."""
    return bool(address or os.environ.get("RAY_ADDRESS"))


def check_device(device: str, share: float | None, address: str | None) -> None:
    """Refuse what cannot be before Ray starts, which takes seconds. Raises InputError."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise DeviceError(f"--device {device}: give auto, cpu, cuda or cuda:1")
    if share is not None and not 0 < share <= 1:
        raise InputError(
            f"--gpus-per-worker {share:g}: give a share of one GPU, such as {SHARE:g}, or at most 1"
        )
    if share is not None and device == "cpu":
        raise InputError(f"--gpus-per-worker {share:g}: goes with a GPU, not with --device cpu")
    if ":" in device and on_cluster(address):
        raise DeviceError(f"--device {device}: a cluster's GPUs are Ray's to give; use cuda")
    if device.startswith("cuda") and not on_cluster(address):
        pick_device(device)


def placed(device: str, share: float | None, gpus: float, *, usable: bool = True) -> Placement:
    """Where networks run on a cluster of so many GPUs. `usable`: whether PyTorch here sees a GPU
    too, where the work stays on this machine. Raises InputError where a GPU is asked for in vain.
    """
    asked = device.startswith("cuda") or share is not None
    if device == "cpu" or not (asked or (gpus > 0 and usable)):
        return CPU
    if gpus < (share or SHARE) or not usable:
        raise DeviceError(f"--device {device}: Ray has {gpus:g} GPUs here; use --device cpu")
    return Placement("cuda", share or SHARE)  # Ray shows a worker the GPU that it gives, no other


def visible(device: str, environment: Mapping[str, str]) -> str | None:
    """What `CUDA_VISIBLE_DEVICES` must say for a Ray of ours that has that one GPU alone, of those
    that it leaves visible now; None where it stays as it is.
    """
    number = int(device.partition(":")[2] or -1)
    if number < 0:
        return None
    shown = [name.strip() for name in environment.get(VISIBLE, "").split(",") if name.strip()]
    return shown[number] if shown else str(number)


def told(place: Placement) -> list[str]:
    """What a run says at its start of where its networks run; nothing on the CPU."""
    if not place.on_gpu:
        return []
    line = f"networks run on GPUs, {place.share:g} of one for each worker"
    return [line, *filter(None, [onnx_remark(place.device)])]
