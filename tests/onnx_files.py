"""ONNX files of a tiny face network: the picture in 8 x 8 cells, projected. Written by hand, as
the format's Protocol Buffers have it, because nothing else here needs the `onnx` package.
"""

from pathlib import Path

import numpy as np

CELLS = 8


def weights(outputs: int) -> np.ndarray:
    """(192, outputs): columns of a random projection of the cells' deviations from their mean."""
    rng = np.random.default_rng(outputs)
    centre = np.eye(3 * CELLS**2) - np.kron(np.eye(3), np.full((64, 64), 1 / 64))
    return (centre @ rng.normal(size=(3 * CELLS**2, outputs))).astype(np.float32)


def write_network(path: Path, outputs: int, batch: int | str = 1) -> Path:
    """(batch, 3, 112, 112) to (batch, outputs)."""
    pool = node("AveragePool", ["x"], "p", kernel_shape=[14, 14], strides=[14, 14])
    flat = node("Flatten", ["p"], "f")
    matrix = weights(outputs)
    graph = _field(1, pool) + _field(1, flat) + _field(1, node("MatMul", ["f", "w"], "y"))
    tensor = b"".join(_number(1, n) for n in matrix.shape) + _number(2, 1) + _field(8, b"w")
    graph += _field(2, b"g") + _field(5, tensor + _field(9, matrix.tobytes()))
    graph += _field(11, _value("x", [batch, 3, 112, 112])) + _field(
        12, _value("y", [batch, outputs])
    )
    model = _number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13))
    path.write_bytes(model)
    return path


def write_graph(
    path: Path,
    nodes: list[bytes],
    inputs: dict[str, list[int | str]],
    outputs: dict[str, list[int | str]],
    constants: dict[str, np.ndarray] | None = None,
) -> Path:
    """Any graph of float tensors: nodes as `node` gives them, names with their shapes."""
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, b"g")
    for name, array in (constants or {}).items():
        tensor = b"".join(_number(1, n) for n in array.shape) + _number(2, 1)
        tensor += _field(8, name.encode()) + _field(9, array.astype(np.float32).tobytes())
        graph += _field(5, tensor)
    graph += b"".join(_field(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_field(12, _value(name, shape)) for name, shape in outputs.items())
    path.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13)))
    return path


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def node(kind: str, inputs: list[str], output: str, **attributes: list[int] | int) -> bytes:
    """An operation; attributes are integers or lists of them."""
    made = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode())
    made += _field(4, kind.encode())
    for name, value in attributes.items():
        if isinstance(value, int):
            numbers = _number(3, value) + _number(20, 2)
        else:
            numbers = b"".join(_number(8, one) for one in value) + _number(20, 7)
        made += _field(5, _field(1, name.encode()) + numbers)
    return made


def _value(name: str, shape: list[int | str]) -> bytes:
    sizes = b"".join(
        _field(1, _number(1, n) if isinstance(n, int) else _field(2, n.encode())) for n in shape
    )
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, 1) + _field(2, sizes)))
