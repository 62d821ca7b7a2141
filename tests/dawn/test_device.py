"""Where networks run is decided in one place, from numbers; how exactly they compute, too."""

import onnxruntime
import pytest
import torch

from dawn.device import (
    CPU,
    DeviceError,
    Placement,
    batch_of,
    batch_on,
    exact,
    is_device_fault,
    onnx_device,
    onnx_remark,
)
from dawn.features.onnx_file import providers

GIB = 2**30


@pytest.mark.parametrize(
    ("item", "room", "least", "most", "batch"),
    [
        (48 * 2**20, 20 * GIB, 16, 128, 128),  # a quarter of an 80 GB card
        (48 * 2**20, 6 * GIB, 16, 128, 64),  # a quarter of 24 GB: half of the room is for batches
        (48 * 2**20, 1 * GIB, 16, 128, 16),  # never less than the CPU's
        (512 * 2**20, 20 * GIB, 1, 8, 8),
        (512 * 2**20, 3 * GIB, 1, 8, 3),
    ],
)
def test_batches_are_what_half_of_the_room_holds(item, room, least, most, batch) -> None:
    assert batch_of(item, room, least, most) == batch


def test_a_cpu_has_the_batches_that_its_numbers_were_made_with() -> None:
    assert batch_on(CPU, 1, on_cpu=16, most=128) == 16
    assert batch_on(Placement("cpu", 0.01), 2**40, on_cpu=16, most=128) == 16


@pytest.mark.parametrize("asked", ["highest", "high", "medium"])
def test_networks_compute_in_whole_float32_whatever_the_user_set(asked: str) -> None:
    before = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    tf32 = cudnn.allow_tf32
    torch.set_float32_matmul_precision(asked)
    try:
        with exact():
            assert torch.is_inference_mode_enabled()
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cuda.matmul.allow_tf32
            assert not cudnn.allow_tf32
            assert cudnn.deterministic
        with pytest.raises(ValueError, match="fault"), exact():
            raise ValueError("fault")
        # The user's own networks are as before.
        assert torch.get_float32_matmul_precision() == asked
        assert (cudnn.allow_tf32, cudnn.deterministic) == (tf32, False)
        assert not torch.is_inference_mode_enabled()
    finally:
        torch.set_float32_matmul_precision(before)


def test_onnxruntime_runs_on_the_cpu_without_its_cuda_provider_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu, cuda = ["CPUExecutionProvider"], ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: cpu)
    assert onnx_device("cuda:1") == "cpu"
    assert "onnxruntime-gpu" in str(onnx_remark("cuda"))
    assert onnx_remark("cpu") is None
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: cuda)
    assert onnx_device("cuda:1") == "cuda:1"
    assert onnx_remark("cuda") is None


def test_onnxruntime_s_cuda_provider_computes_without_tf32_on_the_device_asked_for() -> None:
    assert providers("cpu") == ["CPUExecutionProvider"]
    (name, options), last = providers("cuda:1")
    assert (name, last) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert (options["device_id"], options["use_tf32"]) == (1, 0)
    assert providers("cuda")[0][1]["device_id"] == 0


def test_a_full_gpu_is_no_fault_of_the_footage() -> None:
    assert is_device_fault(DeviceError("--device cuda: PyTorch sees 0 GPUs here"))
    assert is_device_fault(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_device_fault(RuntimeError("shapes"))
