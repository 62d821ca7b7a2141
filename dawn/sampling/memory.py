"""What memory this process took at most."""

from pathlib import Path

import torch


def peak_memory(device: torch.device) -> int | None:
    """Bytes this process has held at most, or, on a GPU, PyTorch on it."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None  # not Linux
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
