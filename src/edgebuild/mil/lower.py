"""From an inference graph to a MIL program, operation by operation.

The caller passes coremltools' MIL builder, so that this file imports no
vendor. Tensors become (1, channels, height, width); "same" padding is written
out as pixels; int8 activations become quantize/dequantize pairs after every
node with the graph's own scale and int8 zero point, which is how Core ML
states that activations are integers; int8 kernels become
``constexpr_affine_dequantize`` of the graph's own integers and scales.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.errors import GraphError
from edgebuild.graph.ir import Graph, Node, Weight, same_padding

__all__ = ["INPUT", "OUTPUT", "lower"]

INPUT = "image"
OUTPUT = "logits"

#: op → order of its kernel's axes in MIL: (out, in, height, width), (out, in).
_KERNEL_ORDER = {"conv2d": (3, 2, 0, 1), "depthwise_conv2d": (2, 3, 0, 1), "dense": (1, 0)}

Namer = Callable[[str], str]


def lower(graph: Graph, mb: Any, target: Any) -> Any:
    """The coremltools Program of ``graph``, with float32 input and output in every precision.

    Args:
        mb: ``coremltools.converters.mil.mil.Builder``.
        target: the deployment target whose operation set is used.

    Raises:
        GraphError: an op, activation or number that cannot be represented.
    """
    height, width, channels = graph.input.shape
    half = graph.precision == "fp16"

    unique = _namer(INPUT, OUTPUT)

    def main(image: Any) -> Any:
        tensors: dict[str, Any] = {}
        for node in graph:
            sources = [tensors[name] for name in node.inputs] or [image]
            last = node is graph.output and not half
            tensors[node.name] = _tensor(
                mb, graph, node, sources, OUTPUT if last else unique(node.name), unique
            )
        result = tensors[graph.output.name]
        return mb.cast(x=result, dtype="fp32", name=OUTPUT) if half else result

    specs = [mb.TensorSpec((1, channels, height, width))]
    program = mb.program(input_specs=specs, opset_version=target)(main)
    _name_constants(program.functions["main"].operations, unique)
    return program


def _name_constants(operations: Iterable[Any], unique: Namer) -> None:
    """After their reader: the builder numbers them by how many it has made in this process."""
    for operation in operations:
        for parameter, value in operation.inputs.items():
            if getattr(value.op, "op_type", None) == "const":
                value.op.name = unique(f"{operation.name}_{parameter}")
                value.set_name(value.op.name)


def _namer(*taken: str) -> Namer:
    """A function from wanted names to valid, unused ones: letters, digits and underscores."""
    used = set(taken)

    def unique(wanted: str) -> str:
        stem = re.sub(r"\W", "_", wanted, flags=re.ASCII)
        stem = f"_{stem}" if stem[:1].isdigit() else stem
        name, count = stem, 1
        while name in used:
            count += 1
            name = f"{stem}_{count}"
        used.add(name)
        return name

    return unique


def _tensor(mb: Any, graph: Graph, node: Node, sources: list[Any], name: str, unique: Namer) -> Any:
    """``node`` whole: operation, activation, grid. The result is called ``name``."""
    x = sources[0]
    if node.op != "input":
        x = _operation(mb, graph, node, sources, unique(f"{name}_{node.op}"))
    elif graph.precision == "fp16":
        x = mb.cast(x=x, dtype="fp16", name=unique(f"{name}_half"))
    if node.activation in ("relu", "relu6"):
        x = getattr(mb, node.activation)(x=x, name=unique(f"{name}_{node.activation}"))
    elif node.activation != "none":
        raise GraphError(f"{node.name}: activation must be none, relu or relu6, found {node.activation!r}")
    if graph.precision == "int8":
        if node.grid is None:
            raise GraphError(
                f"{node.name}: an int8 graph needs a grid on every tensor; quantize the graph first"
            )
        grid = {"scale": np.float32(node.grid.scale), "zero_point": np.int8(node.grid.zero_point)}
        codes = mb.quantize(input=x, output_dtype="int8", name=unique(f"{name}_codes"), **grid)
        x = mb.dequantize(input=codes, name=unique(f"{name}_real"), **grid)
    if x is not sources[0]:
        x.op.name = name
        x.set_name(name)
    return x


def _operation(mb: Any, graph: Graph, node: Node, sources: list[Any], name: str) -> Any:
    """``node`` without its activation and grid."""
    if node.op in _KERNEL_ORDER:
        kernel = _kernel(mb, graph, node, f"{name}_kernel")
        bias = _numbers(node.weights["bias"], graph, node)
        if node.op == "dense":
            return mb.linear(x=sources[0], weight=kernel, bias=bias, name=name)
        return mb.conv(
            x=sources[0],
            weight=kernel,
            bias=bias,
            strides=list(node.strides),
            pad_type="custom",
            pad=_padding(node, sources[0].shape[2:]),
            groups=sources[0].shape[1] if node.op == "depthwise_conv2d" else 1,
            name=name,
        )
    if node.op == "add":
        return mb.add(x=sources[0], y=sources[1], name=name)
    if node.op == "global_average_pool":
        return mb.reduce_mean(x=sources[0], axes=[2, 3], keep_dims=False, name=name)
    if node.op == "flatten":
        # The graph flattens (height, width, channels), and the weights that follow are in that order.
        last = mb.transpose(x=sources[0], perm=[0, 2, 3, 1], name=f"{name}_channels_last")
        return mb.reshape(x=last, shape=[1, *node.shape], name=name)
    known = ", ".join((*_KERNEL_ORDER, "add", "global_average_pool", "flatten"))
    raise GraphError(f"{node.name}: Core ML export does not know op {node.op!r}; known are {known}")


def _padding(node: Node, image: tuple[int, int]) -> list[int]:
    """Pixels above, below, left, right: TensorFlow's "same" is left to nobody's interpretation."""
    if node.padding == "valid":
        return [0, 0, 0, 0]
    kernel = node.weights["kernel"].values.shape
    rows = same_padding(image[0], kernel[0], node.strides[0])
    columns = same_padding(image[1], kernel[1], node.strides[1])
    return [*rows, *columns]


def _kernel(mb: Any, graph: Graph, node: Node, name: str) -> Any:
    """The kernel in MIL's order: a plain constant, or the graph's integers and scales, verbatim."""
    weight, order = node.weights["kernel"], _KERNEL_ORDER[node.op]
    if weight.values.dtype != np.int8 or weight.scale is None:
        return np.ascontiguousarray(_numbers(weight, graph, node).transpose(order))
    return mb.constexpr_affine_dequantize(
        quantized_data=np.ascontiguousarray(weight.values.transpose(order)),
        scale=weight.scale,
        zero_point=np.int8(0),
        axis=np.int32(order.index(weight.axis)),
        name=name,
    )


def _numbers(weight: Weight, graph: Graph, node: Node) -> npt.NDArray[Any]:
    """Real numbers in the type that the program computes in.

    Raises:
        GraphError: a number is not finite, or too large for float16.
    """
    kind = np.float16 if graph.precision == "fp16" else np.float32
    with np.errstate(over="ignore"):
        values = weight.real().astype(kind)
    if not np.isfinite(values).all():
        raise GraphError(
            f"{node.name}: every weight must be a finite {values.dtype}, found infinity or NaN; use fp32"
        )
    return values
