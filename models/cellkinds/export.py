"""Export to ONNX with weights in eight bits, one scale per row, and what onnxruntime makes of them."""

import warnings
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from cellkinds.networks import Probabilities

OPSET: Final = 17
_SMALL: Final = 256  # weights of fewer numbers stay as they are (biases)


def export(network: nn.Module, inputs: dict[str, Tensor], path: Path) -> int:
    """Write the graph, quantised; returns its bytes. First axis of all inputs is free, the second of integer ones."""
    axes = {
        name: {0: "n", 1: f"w_{name}"} if value.dtype == torch.int64 else {0: "n"} for name, value in inputs.items()
    }
    axes["kinds"] = {0: "n"}
    if "shapes" in axes:
        axes["shapes"] = axes["words"] = {0: "n", 1: "w"}
    with warnings.catch_warnings():
        # As in somgan.export: the older exporter needs no onnxscript, and torch is pinned.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Probabilities(network).eval(), tuple(inputs.values()), str(path), input_names=list(inputs),
            output_names=["kinds"], dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    model = onnx.load(path)
    _quantise(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path.stat().st_size


def _quantise(graph: onnx.GraphProto) -> None:
    """Each large weight becomes int8 and a scale per row; a cast and a product, folded at load, make it float again."""
    nodes = []
    for weight in list(graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _SMALL:
            continue
        scale = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / 127.0
        scale = np.maximum(scale, 1e-12).astype(np.float32)
        graph.initializer.remove(weight)
        name = weight.name
        graph.initializer.extend([
            numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}.int8"),
            numpy_helper.from_array(scale.astype(np.float16), f"{name}.scale16"),
        ])  # fmt: skip
        nodes += [
            helper.make_node("Cast", [f"{name}.int8"], [f"{name}.cast"], to=TensorProto.FLOAT),
            helper.make_node("Cast", [f"{name}.scale16"], [f"{name}.scale"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [name]),
        ]
    for node in reversed(nodes):
        graph.node.insert(0, node)
