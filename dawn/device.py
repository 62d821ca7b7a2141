"""Where networks run, how exactly they compute there, and how many items go through at once.

This is the one place that knows. Networks are given a device when they are loaded and stay there;
whoever starts work decides which (`pipeline.cluster.devices`). PyTorch is imported late: commands
that only read results need none.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from manifests.errors import InputError

if TYPE_CHECKING:  # torch takes a second to import
    import torch

PRECISION = "float32 without TF32"
"""In what the networks of metrics and of ingest compute, on every device."""

TOLERANCE = 1e-3
"""By how much of its size a number may differ from one device to another, and with what it shared a
batch with on a GPU. Features, before anything is made of them, agree within a tenth of it.
"""


class DeviceError(InputError):
    """A device that cannot be used here: no fault of the footage."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the networks of a job run."""

    device: str = "cpu"
    """As PyTorch names it: `cpu`, `cuda` or `cuda:1`."""
    share: float = 1.0
    """Of the device's memory that this process may count on."""

    @property
    def on_gpu(self) -> bool:
        """Whether it is no CPU."""
        return self.device != "cpu"


CPU = Placement()


def pick_device(name: str) -> "torch.device":
    """The device called `name`; `auto` is a GPU where there is one. Raises InputError."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device {name}: give auto, cpu, cuda or cuda:1") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"--device {name}: give auto, cpu, cuda or cuda:1")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {name}: PyTorch sees {torch.cuda.device_count()} GPUs here; use --device cpu"
        )
    return device


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Meanwhile networks compute for inference in float32 as it is: without TF32, whose 10 bits
    move published numbers, and with the same kernels at every run. What was set before holds
    again afterwards; the settings are PyTorch's own, of the whole process.
    """
    import torch

    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision()
    convolutions = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    try:
        torch.set_float32_matmul_precision("highest")
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = False, True, False
        with torch.inference_mode():
            yield
    finally:
        torch.set_float32_matmul_precision(before)
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = convolutions


def batch_of(item_bytes: int, room_bytes: float, least: int, most: int) -> int:
    """Items of a batch, each of which takes `item_bytes` while a network computes: as many as fit
    into half of the room (weights and the other networks take the rest), from `least` to `most`.

    Networks state for `item_bytes` five times what their activations take at once, or about: the
    workspaces of convolutions come on top.
    """
    return max(least, min(most, int(room_bytes / 2 // item_bytes)))


def batch_on(place: Placement, item_bytes: int, *, on_cpu: int, most: int) -> int:
    """The same at a place. On the CPU always `on_cpu`: larger batches are no faster, and these
    are what numbers were made with. A GPU's total memory counts, not what is free just now, so
    that a run gives the same batches again.
    """
    if not place.on_gpu:
        return on_cpu
    return batch_of(item_bytes, _total_memory(place.device) * place.share, on_cpu, most)


def _total_memory(device: str) -> int:
    import torch

    return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)


def free_memory(device: "torch.device") -> int | None:
    """A GPU's bytes that are free to this process, what PyTorch holds unused included."""
    import torch

    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + unused)


def device_name(device: str) -> str:
    """For records: `cpu`, or `cuda` with the card's name."""
    if device == "cpu":
        return device
    import torch

    return f"cuda ({torch.cuda.get_device_name(torch.device(device))})"


def onnx_device(device: str) -> str:
    """Where onnxruntime runs networks if it is asked for a device: `cpu` where it has no CUDA
    provider.
    """
    import onnxruntime

    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return device if has_cuda else "cpu"


def onnx_remark(device: str) -> str | None:
    """What to say at the start of a run on a GPU whose onnxruntime has no CUDA provider."""
    if device == "cpu" or onnx_device(device) != "cpu":
        return None
    return (
        "face embeddings run on the CPU: onnxruntime here has no CUDA provider (the package "
        "onnxruntime-gpu, in place of onnxruntime, brings it)"
    )


def is_device_fault(error: BaseException) -> bool:
    """Whether an exception is of the device, such as a full memory of the GPU, and no fault of
    what was being looked at.
    """
    if isinstance(error, DeviceError):
        return True
    return type(error).__module__.startswith("torch") and type(error).__name__ in (
        "OutOfMemoryError",
        "AcceleratorError",
    )
