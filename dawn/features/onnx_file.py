"""Opening an ONNX file the one way: on one thread, quiet, with a clear error."""

from pathlib import Path
from typing import Any

from manifests.errors import InputError


def open_onnx(path: Path) -> Any:  # noqa: ANN401 - onnxruntime is untyped
    """An ONNX file's session, on one thread. Raises InputError."""
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of much that is harmless
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (errors.NoSuchFile, errors.InvalidProtobuf, errors.Fail) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be opened as ONNX ({reason})") from error
