"""Distillation of what happens inside: the student's feature maps are compared with the teacher's.

Two ways, both for pairs of maps of one height and width:

attention  the maps' energy over the image, ``Σ_c A²``, normalized, in squared distance
           (Zagoruyko and Komodakis 2017, "Paying More Attention to Attention", equation 2)
hint       the teacher's maps themselves, met by a 1×1 regression of the student's, in mean
           squared error (Romero et al. 2015, "FitNets", equation 3)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgebuild.errors import UsageError
from edgebuild.train.loop import Trainee, inference
from edgebuild.train.losses import Loss

__all__ = ["KINDS", "attention_loss", "feature_trainee", "paired_maps"]

#: (tensorflow, student's map (n, h, w, c), teacher's map (n, h, w, C), regressor or None) → scalar
MapLoss = Callable[[Any, Any, Any, Any], Any]


def feature_trainee(
    tf: Any, keras: Any, student: Any, teacher: Any, *, scale: float, loss: Loss, kind: str, beta: float
) -> Trainee:
    """``student``, trained on ``loss`` and on ``beta`` times the mean difference of paired feature maps.

    Args:
        student, teacher: functional Keras models from the same images; the teacher is not trained.
        kind: "attention" or "hint".

    Raises:
        UsageError: the two share no size of feature map.
    """
    pairs = paired_maps(student, teacher)
    probe = keras.Model(student.inputs[0], [student.outputs[0], *(own for own, _ in pairs)])
    shown = keras.Model(teacher.inputs[0], [theirs for _, theirs in pairs])
    regressors = _regressors(keras, pairs) if kind == "hint" else [None] * len(pairs)
    compare = KINDS[kind]

    def objective(pixels: Any, truth: Any, target: Any) -> tuple[Any, Any]:
        outputs, *maps = probe(pixels, training=True)
        theirs = tf.nest.flatten(shown(pixels, training=False))
        differences = [
            compare(tf, own, tf.stop_gradient(other), regressor)
            for own, other, regressor in zip(maps, theirs, regressors, strict=True)
        ]
        return loss(tf, outputs, truth, target) + beta * tf.add_n(differences) / len(differences), outputs

    extra = [variable for layer in regressors if layer is not None for variable in layer.trainable_variables]
    variables = [*student.trainable_variables, *extra]
    return Trainee(variables, objective, inference(tf, student, scale), [*student.variables, *extra])


def paired_maps(student: Any, teacher: Any) -> list[tuple[Any, Any]]:
    """The last feature map of each size that both networks have, largest first, as symbolic tensors.

    Raises:
        UsageError: there is no common size.
    """
    own, theirs = _maps(student), _maps(teacher)
    common = sorted(own.keys() & theirs.keys(), reverse=True)
    if not common:
        raise UsageError(
            f"distill.features needs a feature map of one size in both networks, but the student has "
            f"{sorted(own)} and the teacher {sorted(theirs)}; set it to none, or change student.stem_stride"
        )
    return [(own[size], theirs[size]) for size in common]


def _maps(model: Any) -> dict[tuple[int, int], Any]:
    """Size → the last map of that size, in the order of the layers; maps of 1×1 hold no place."""
    found: dict[tuple[int, int], Any] = {}
    for layer in model.layers:
        shape = layer.output.shape
        if type(layer).__name__ != "InputLayer" and len(shape) == 4 and shape[1] * shape[2] > 1:
            found[shape[1], shape[2]] = layer.output
    return found


def _regressors(keras: Any, pairs: list[tuple[Any, Any]]) -> list[Any]:
    layers = []
    for own, theirs in pairs:
        layer = keras.layers.Conv2D(theirs.shape[-1], 1)
        layer.build(own.shape)
        layers.append(layer)
    return layers


def attention_loss(tf: Any, own: Any, theirs: Any, regressor: Any = None) -> Any:
    """Mean over the batch of the squared distance between normalized attention maps, in [0, 4]."""
    del regressor

    def attention(maps: Any) -> Any:
        energy = tf.reduce_sum(tf.square(maps), axis=-1)
        return tf.math.l2_normalize(tf.reshape(energy, (tf.shape(maps)[0], -1)), axis=-1)

    distance = tf.reduce_sum(tf.square(attention(own) - attention(theirs)), axis=-1)
    return tf.reduce_mean(distance)


def _hint_loss(tf: Any, own: Any, theirs: Any, regressor: Any) -> Any:
    return tf.reduce_mean(tf.square(regressor(own) - theirs))


KINDS: dict[str, MapLoss] = {"attention": attention_loss, "hint": _hint_loss}
