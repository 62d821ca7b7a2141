"""What memory a device has left, and what this process took at most."""

from pathlib import Path

import torch


def free_memory(device: torch.device) -> int | None:
    """A GPU's bytes that are free to this process, what PyTorch holds unused included."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(free + unused)


def peak_memory(device: torch.device) -> int | None:
    """Bytes this process has held at most, or, on a GPU, PyTorch on it."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None  # not Linux
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
