"""The distillation loss against the formula of the paper, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgebuild.train.losses import cross_entropy, distillation

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
logits = hnp.arrays(np.float32, (4, 3), elements=st.floats(-10, 10, width=32))


def log_softmax(values):
    shifted = values.astype(np.float64) - values.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@settings(deadline=None, max_examples=40)
@given(logits, logits, st.floats(0.5, 20), st.floats(0, 1))
def test_it_is_the_weighted_sum_of_divergence_and_cross_entropy(
    backend, student, teacher, temperature, alpha
):
    labels = np.array([0, 1, 2, 1])
    target, own = log_softmax(teacher / temperature), log_softmax(student / temperature)
    divergence = (np.exp(target) * (target - own)).sum(axis=1).mean()
    hard = -log_softmax(student)[np.arange(4), labels].mean()
    expected = alpha * temperature**2 * divergence + (1 - alpha) * hard
    found = float(distillation(temperature, alpha)(backend[0], student, labels, teacher))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-3 * temperature)


def test_without_a_share_of_the_teacher_it_is_cross_entropy(backend):
    student = np.array([[1, 2, 3], [3, 1, 0]], np.float32)
    labels = np.array([2, 0])
    alone = float(cross_entropy(backend[0], student, labels, None))
    assert float(distillation(4.0, 0.0)(backend[0], student, labels, student * 0)) == pytest.approx(alone)


def test_a_student_that_says_what_the_teacher_says_has_no_loss(backend):
    student = np.array([[1, 2, 3], [3, 1, 0]], np.float32)
    loss = distillation(3.0, 1.0)(backend[0], student, np.array([0, 0]), student)
    assert float(loss) == pytest.approx(0, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(logits, logits, st.floats(0.5, 20))
def test_the_gradient_is_temperature_times_the_difference_of_softened_answers(
    backend, student, teacher, temperature
):
    """Hinton et al. 2015, equation 2, times the factor T²."""
    tf, _ = backend
    given_logits = tf.constant(student)
    with tf.GradientTape() as tape:
        tape.watch(given_logits)
        loss = distillation(temperature, 1.0)(tf, given_logits, np.zeros(4, np.int64), teacher)
    own, target = (np.exp(log_softmax(values / temperature)) for values in (student, teacher))
    expected = temperature * (own - target) / len(student)
    np.testing.assert_allclose(tape.gradient(loss, given_logits), expected, atol=1e-5 * max(1, temperature))


def test_at_high_temperatures_the_gradient_does_not_depend_on_the_temperature(backend):
    """Hinton et al. 2015, equation 4: it is the difference of the centred logits, over the classes."""
    tf, _ = backend
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 4, 3)).astype(np.float32)
    centred = [values - values.mean(axis=1, keepdims=True) for values in (student, teacher)]
    for temperature in (50.0, 100.0):
        given_logits = tf.constant(student)
        with tf.GradientTape() as tape:
            tape.watch(given_logits)
            loss = distillation(temperature, 1.0)(tf, given_logits, np.zeros(4, np.int64), teacher)
        expected = (centred[0] - centred[1]) / 3 / 4
        np.testing.assert_allclose(tape.gradient(loss, given_logits), expected, atol=0.01)
