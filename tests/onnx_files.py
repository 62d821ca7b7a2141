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
    pool = _node("AveragePool", ["x"], "p", kernel_shape=[14, 14], strides=[14, 14])
    flat = _node("Flatten", ["p"], "f")
    matrix = weights(outputs)
    graph = _field(1, pool) + _field(1, flat) + _field(1, _node("MatMul", ["f", "w"], "y"))
    tensor = b"".join(_number(1, n) for n in matrix.shape) + _number(2, 1) + _field(8, b"w")
    graph += _field(2, b"g") + _field(5, tensor + _field(9, matrix.tobytes()))
    graph += _field(11, _value("x", [batch, 3, 112, 112])) + _field(
        12, _value("y", [batch, outputs])
    )
    model = _number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13))
    path.write_bytes(model)
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


def _node(kind: str, inputs: list[str], output: str, **lists: list[int]) -> bytes:
    node = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode())
    node += _field(4, kind.encode())
    for name, values in lists.items():
        numbers = b"".join(_number(8, value) for value in values)
        node += _field(5, _field(1, name.encode()) + numbers + _number(20, 7))
    return node


def _value(name: str, shape: list[int | str]) -> bytes:
    sizes = b"".join(
        _field(1, _number(1, n) if isinstance(n, int) else _field(2, n.encode())) for n in shape
    )
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, 1) + _field(2, sizes)))
