"""Losses of classifiers, on logits; those of other tasks are in :mod:`edgebuild.tasks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Loss", "cross_entropy", "distillation"]

#: (tensorflow, outputs (n, outputs), the task's truth (n, ...), the teacher's outputs or None) → scalar
Loss = Callable[[Any, Any, Any, Any], Any]


def cross_entropy(tf: Any, logits: Any, labels: Any, teacher: Any) -> Any:
    """Mean softmax cross-entropy against the labels, in nats."""
    del teacher
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def distillation(temperature: float, alpha: float) -> Loss:
    """``alpha·T²·KL(softmax(teacher/T) ‖ softmax(student/T)) + (1−alpha)·CE(labels)``.

    Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural
    Network", section 2: the factor T² keeps the size of the gradients while
    the temperature changes.
    """

    def loss(tf: Any, logits: Any, labels: Any, teacher: Any) -> Any:
        hard = cross_entropy(tf, logits, labels, None)
        target = tf.nn.log_softmax(teacher / temperature)
        student = tf.nn.log_softmax(logits / temperature)
        divergence = tf.reduce_mean(tf.reduce_sum(tf.exp(target) * (target - student), axis=-1))
        return alpha * temperature**2 * divergence + (1 - alpha) * hard

    return loss
