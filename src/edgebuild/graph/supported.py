"""Which Keras layers the graph can hold, decided before any of them is translated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebuild.graph.calls import Call

__all__ = ["IDENTITIES", "SUPPORTED", "activation_of", "constant_of", "refusal", "refusals_of"]

#: Layers that pass on what they read at inference: regularization and augmentation.
IDENTITIES = (
    "Dropout",
    "SpatialDropout2D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
    "Identity",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "RandomBrightness",
    "RandomContrast",
)

#: The name of a Keras or TensorFlow activation function → its name here.
_ACTIVATIONS = {
    "linear": "linear",
    "relu": "relu",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "softmax": "softmax",
    "silu": "silu",
    "swish": "silu",
    "hard_silu": "hard_silu",
    "hard_swish": "hard_silu",
    "hard_sigmoid": "hard_sigmoid",
}

#: Unsupported type → what to use instead.
_INSTEAD = {
    "LeakyReLU": "use ReLU",
    "PReLU": "use ReLU",
    "ELU": "use ReLU",
    "LayerNormalization": "use BatchNormalization",
    "GroupNormalization": "use BatchNormalization",
    "Lambda": "write what it does with supported layers",
    "Resizing": "resize the images before the model",
}


def refusals_of(call: Call) -> list[str]:
    """Every reason why ``call`` cannot be exported, each naming the layer, its type and what to do."""
    if (rule := _RULES.get(call.kind)) is None:
        instead = _INSTEAD.get(call.kind, "replace it with supported layers")
        return [refusal(call, f"its type is not supported; {instead}")]
    reasons = [*_general(call)]
    return [refusal(call, reason) for reason in reasons or rule(call)]


def refusal(call: Call, reason: str) -> str:
    return f"layer {call.name!r} ({call.kind}) cannot be exported: {reason}"


def activation_of(call: Call) -> str:
    """The name of the activation that is part of a layer, or that a layer is; "" if it is unknown."""
    layer = call.operation
    if call.kind == "ReLU":
        return "relu" if layer.max_value is None else "relu6"
    if call.kind == "Softmax":
        return "softmax"
    if call.kind in _FUNCTIONS:
        return _FUNCTIONS[call.kind]
    function = getattr(layer, "activation", None)
    if function is None:
        return "linear"
    # Only the functions of Keras and TensorFlow are known by name: a user's own relu may be another.
    ours = getattr(function, "__module__", "").startswith(("keras.", "tensorflow."))
    return _ACTIVATIONS.get(getattr(function, "__name__", ""), "") if ours else ""


def constant_of(call: Call) -> tuple[npt.NDArray[np.float64], int] | None:
    """The constant of an operation on a tensor and a constant, and its position; None for two tensors."""
    if len(call.inputs) != 1 or len(call.arguments) != 2:
        return None
    position = 1 if call.arguments[0] is call.inputs[0] else 0
    return np.asarray(call.arguments[position], np.float64), position


def _general(call: Call) -> Iterator[str]:
    layer = call.operation
    if call.twice:
        yield "it is called twice; make a layer for every call"
    if None in call.shape and not any(None in shape for shape in call.input_shapes):
        yield f"its output shape {call.shape} is not fixed; give the model a fixed input"
    policy = getattr(getattr(layer, "dtype_policy", None), "name", "float32")
    if policy != "float32" or call.output.dtype != "float32":
        found = policy if policy != "float32" else call.output.dtype
        yield f"it computes in {found}, not float32; quantize the graph instead"
    if getattr(layer, "data_format", None) not in (None, "channels_last"):
        yield "its data_format must be channels_last"


def _anything(call: Call) -> Iterator[str]:
    del call
    yield from ()


def _with_activation(call: Call) -> Iterator[str]:
    if not activation_of(call):
        function = call.operation.activation
        name = getattr(function, "__name__", type(function).__name__)
        yield f"activation {name!r} is none of {', '.join(sorted(set(_ACTIVATIONS)))} of Keras"


def _convolution(call: Call) -> Iterator[str]:
    layer = call.operation
    if set(layer.dilation_rate if isinstance(layer.dilation_rate, tuple) else (layer.dilation_rate,)) != {1}:
        yield "dilation_rate must be 1"
    if getattr(layer, "depth_multiplier", 1) not in (None, 1):
        yield "depth_multiplier must be 1"
    if getattr(layer, "groups", 1) != 1:
        yield "groups must be 1; use DepthwiseConv2D for depthwise convolutions"
    yield from _with_activation(call)


def _dense(call: Call) -> Iterator[str]:
    if len(call.input_shapes[0]) not in (1, 3):
        yield f"its input has shape {call.input_shapes[0]}; put Flatten before it"
    yield from _with_activation(call)


def _normalization(call: Call) -> Iterator[str]:
    if call.operation.axis not in (-1, len(call.shape)):
        yield f"it must normalize the last axis, but normalizes axis {call.operation.axis}"


def _affine(call: Call) -> Iterator[str]:
    layer = call.operation
    numbers = (layer.mean, layer.variance) if call.kind == "Normalization" else (layer.scale, layer.offset)
    for number in numbers:
        if not _per_channel(np.asarray(number), call.shape):
            yield f"its numbers must be one per channel, found shape {np.shape(number)} for {call.shape}"


def _relu(call: Call) -> Iterator[str]:
    layer = call.operation
    if layer.negative_slope or layer.threshold or layer.max_value not in (None, 6.0):
        yield "only a plain ReLU and one with max_value=6 exist on every runtime"


def _softmax(call: Call) -> Iterator[str]:
    if call.operation.axis not in (-1, len(call.shape)) or len(call.inputs) != 1:
        yield f"it must be along the last axis and without a mask, but is along {call.operation.axis}"


def _sum(call: Call) -> Iterator[str]:
    if set(call.input_shapes) != {call.shape} or len(call.inputs) < 2:
        found = " and ".join(map(str, call.input_shapes))
        yield f"it must add two or more tensors of one shape, found {found}; they are not broadcast"


def _product(call: Call) -> Iterator[str]:
    gate = (1, 1, call.shape[-1])
    if set(call.input_shapes) - {gate} not in (set(), {call.shape}) or len(call.inputs) < 2:
        found = " and ".join(map(str, call.input_shapes))
        yield f"it multiplies tensors of one shape, or a map by one of shape {gate}; found {found}"


def _concatenation(call: Call) -> Iterator[str]:
    if call.operation.axis not in (-1, len(call.shape)) or len(call.inputs) < 2:
        yield f"it must join two or more tensors along the last axis, but joins along {call.operation.axis}"


def _reshape(call: Call) -> Iterator[str]:
    before, after = call.input_shapes[0], call.shape
    if after not in (before, (prod(before),)) and not (len(before) == 1 and after == (1, 1, *before)):
        yield f"it may flatten, or make (1, 1, channels) of (channels,), but makes {after} of {before}"


def _arithmetic(call: Call) -> Iterator[str]:
    if (found := constant_of(call)) is None:
        if call.kind == "ops.Add":
            yield from _sum(call)
        elif call.kind == "ops.Multiply":
            yield from _product(call)
        else:
            yield "it must be of a tensor and a constant; use Add and Multiply between tensors"
        return
    constant, position = found
    if not _per_channel(constant, call.shape) or call.input_shapes[0] != call.shape:
        yield f"its constant must be one number or one per channel, found shape {constant.shape}"
    elif not np.isfinite(constant).all():
        yield "its constant is not finite"
    elif call.kind in ("ops.TrueDivide", "ops.Divide") and (position == 0 or not np.all(constant)):
        yield "a tensor can be divided by a constant other than 0, not a constant by a tensor"


def _per_channel(numbers: npt.NDArray[Any], shape: tuple[int, ...]) -> bool:
    """Whether they are one number, or one for each entry of the last axis."""
    return numbers.size == 1 or (numbers.size == shape[-1] == numbers.shape[-1])


#: Operations of keras.ops that are activation functions.
_FUNCTIONS = {
    "ops.Relu": "relu",
    "ops.Relu6": "relu6",
    "ops.Sigmoid": "sigmoid",
    "ops.Tanh": "tanh",
    "ops.Silu": "silu",
    "ops.HardSilu": "hard_silu",
    "ops.HardSigmoid": "hard_sigmoid",
    "ops.Softmax": "softmax",
}

#: kind → the reasons why a call of it cannot be exported.
_RULES: Mapping[str, Callable[[Call], Iterator[str]]] = {
    **dict.fromkeys(
        ("InputLayer", "Flatten", "ZeroPadding2D", "Cropping2D", "MaxPooling2D", "AveragePooling2D"),
        _anything,
    ),
    **dict.fromkeys(("GlobalAveragePooling2D", "GlobalMaxPooling2D", *IDENTITIES), _anything),
    **dict.fromkeys(("Conv2D", "DepthwiseConv2D", "SeparableConv2D"), _convolution),
    "Dense": _dense,
    "BatchNormalization": _normalization,
    "Rescaling": _affine,
    "Normalization": _affine,
    "ReLU": _relu,
    "Softmax": _softmax,
    "Activation": _with_activation,
    "Add": _sum,
    "Multiply": _product,
    "Concatenate": _concatenation,
    "Reshape": _reshape,
    **dict.fromkeys(("ops.Add", "ops.Subtract", "ops.Multiply", "ops.TrueDivide", "ops.Divide"), _arithmetic),
    **dict.fromkeys(_FUNCTIONS, _anything),
    "ops.Softmax": _softmax,
}

SUPPORTED = ", ".join(
    sorted(kind for kind in _RULES if not kind.startswith("ops.") and kind not in IDENTITIES)
)
