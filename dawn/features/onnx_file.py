"""Opening an ONNX file the one way: on one thread, quiet, with a clear error."""

from pathlib import Path
from typing import Any

from dawn.device import DeviceError, onnx_device
from manifests.errors import InputError

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def open_onnx(path: Path, device: str = "cpu") -> Any:  # noqa: ANN401 - onnxruntime is untyped
    """An ONNX file's session, on one thread; on a GPU in float32 without TF32 where onnxruntime
    has its CUDA provider, else on the CPU (`dawn.device.onnx_device` says which).

    Raises InputError, of which DeviceError where the provider is there and does not start.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of much that is harmless
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    given = providers(onnx_device(device))
    if len(given) > 1 and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # PyTorch's CUDA libraries, which it does not find by itself
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=given)
    except (errors.NoSuchFile, errors.InvalidProtobuf, errors.Fail) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be opened as ONNX ({reason})") from error
    if len(given) > 1 and session.get_providers()[0] != _CUDA:
        raise DeviceError(
            "onnxruntime has a CUDA provider that does not start here: install the CUDA and cuDNN "
            "that it was built for, or the package onnxruntime, which runs on the CPU"
        )
    return session


def providers(device: str) -> list[Any]:
    """onnxruntime's providers for a device, and how the CUDA one computes."""
    if device == "cpu":
        return [_CPU]
    index = int(device.partition(":")[2] or 0)
    # "HEURISTIC" takes no measured choice of kernels: the same ones at every run.
    exact = {"device_id": index, "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
    return [(_CUDA, exact), _CPU]


def fixed_batch(session: Any) -> bool:  # noqa: ANN401
    """Whether the file takes one item at a time."""
    return bool(session.get_inputs()[0].shape[0] == 1)
