"""An ONNX graph that does nothing, with a model's input and outputs: the least that one inference can cost.

Written as plain protobuf (field numbers of onnx.proto3, IR version 8, opset 17), so that no package is needed: for
one row it copies the input to `nearest_normal` and constants to the other outputs.
"""

from collections.abc import Sequence

FLOAT, INT64 = 1, 7  # TensorProto.DataType
_VARINT, _BYTES = 0, 2


def model(outputs: Sequence[tuple[str, int, tuple[int, ...]]], width: int) -> bytes:
    """Outputs: (name, element type, shape of one row's result); one that is (1, width) floats copies the input."""
    nodes, constants, infos = b"", b"", b""
    for name, kind, shape in outputs:
        source = "x" if kind == FLOAT and shape == (1, width) else f"{name}_constant"
        if source != "x":
            constants += _field(5, _tensor(source, kind, shape))
        nodes += _field(1, _text(1, source) + _text(2, name) + _text(4, "Identity"))
        infos += _field(12, _info(name, kind, shape))
    graph = nodes + _text(2, "empty") + constants + _field(11, _info("x", FLOAT, (1, width))) + infos
    return _number(1, 8) + _field(7, graph) + _field(8, _number(2, 17))


def _tensor(name: str, kind: int, shape: tuple[int, ...]) -> bytes:
    size = 4 if kind == FLOAT else 8
    for length in shape:
        size *= length
    return b"".join(_number(1, length) for length in shape) + _number(2, kind) + _text(8, name) + _field(9, bytes(size))


def _info(name: str, kind: int, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_field(1, _number(1, length)) for length in shape)
    return _text(1, name) + _field(2, _field(1, _number(1, kind) + _field(2, dimensions)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _field(field, text.encode())


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return out + bytes((value,))
