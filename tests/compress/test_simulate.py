"""The simulation computes what the integers will, keeps zeros, and gives back what lowering keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgebuild.compress.fake_quant import on_codes
from edgebuild.compress.finetune import simulation_trainee
from edgebuild.compress.quantize import to_int8, to_w4, to_w8
from edgebuild.compress.ranges import observe
from edgebuild.compress.simulate import simulated
from edgebuild.data.split import Split
from edgebuild.graph.codes import codes, real
from edgebuild.graph.ir import Graph, Grid, Weight
from edgebuild.graph.run import activations, run
from edgebuild.tasks.classification import Classification
from edgebuild.train.loop import fit
from edgebuild.train.losses import distillation
from tests.networks import LABELS, NETWORKS, Maker, images, network


@dataclass(frozen=True)
class Recipe:
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    shift: int = 0
    flip: bool = False
    augment: str = ""


EVERY = pytest.mark.parametrize("name", sorted(NETWORKS))


def observed(graph: Graph) -> dict[str, Grid]:
    return dict(observe(graph, images(graph), ranges="minmax", percentile=100))


@EVERY
def test_without_fake_quantization_it_is_the_reference(backend, name):
    tf, _ = backend
    graph = NETWORKS[name]()
    batch = images(graph)
    truth = activations(graph, batch)
    for node, values in simulated(tf, graph, "fp32").tensors(batch).items():
        np.testing.assert_allclose(values, truth[node], rtol=1e-5, atol=1e-5, err_msg=node)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_depthwise_layer_may_have_unequal_strides(backend, padding):
    tf, _ = backend
    make = Maker(0, (9, 10, 3))
    shape = (5, 4, 3) if padding == "same" else (4, 3, 3)
    make.weighted("depth", "depthwise_conv2d", "image", shape, 3, strides=(2, 3), padding=padding)
    graph = make.graph()
    batch = images(graph, 4)
    truth = activations(graph, batch)["depth"]
    np.testing.assert_allclose(simulated(tf, graph, "fp32").tensors(batch)["depth"], truth, atol=1e-5)


@EVERY
def test_int8_is_at_most_two_steps_away(backend, name):
    tf, _ = backend
    graph = NETWORKS[name]()
    batch, grids = images(graph), observed(graph)
    integer = to_int8(graph, grids)
    truth = activations(integer, batch)
    for node, values in simulated(tf, graph, "int8", grids).tensors(batch).items():
        steps = np.abs(values.numpy() - truth[node]) / integer[node].grid.scale
        assert steps.max() < 2.01, node
        assert (steps > 0.01).mean() < 0.01, node


@EVERY
@pytest.mark.parametrize("lower", [to_w8, to_w4])
def test_small_weights_are_simulated_exactly(backend, name, lower):
    tf, _ = backend
    graph = NETWORKS[name]()
    batch = images(graph)
    truth = activations(lower(graph), batch)
    for node, values in simulated(tf, graph, lower(graph).precision).tensors(batch).items():
        np.testing.assert_allclose(values, truth[node], rtol=1e-4, atol=1e-5, err_msg=node)


def test_a_mixed_graph_is_simulated_too(backend):
    tf, _ = backend
    graph = network()
    batch, grids = images(graph), observed(graph)
    mixed = to_int8(graph, grids, ["point"])
    truth = activations(mixed, batch)
    found = simulated(tf, graph, "int8", grids, ["point"]).tensors(batch)
    assert found.keys() == truth.keys()
    assert np.abs(found["last"] - truth["last"]).max() < 2.01 * mixed["last"].grid.scale


def test_an_all_zero_filter_with_a_bias_is_simulated_with_its_floor(backend):
    tf, _ = backend
    graph = network()
    kernel = graph["stem"].weights["kernel"].values.copy()
    kernel[..., 0] = 0
    bias = np.full(6, 3, np.float32)
    stem = replace(graph["stem"], weights={"kernel": Weight(kernel, axis=3), "bias": Weight(bias)})
    graph = replace(graph, nodes=tuple(stem if node.name == "stem" else node for node in graph))
    grids = observed(graph)
    truth = activations(to_int8(graph, grids), images(graph))["stem"]
    found = simulated(tf, graph, "int8", grids).tensors(images(graph))["stem"]
    np.testing.assert_allclose(found, truth, atol=1.01 * grids["stem"].scale)


def trained(tf, keras, simulation, batch, steps=30):
    """The simulation after some steps towards random logits."""
    target = np.random.default_rng(3).normal(0, 1, (len(batch), 4)).astype(np.float32)
    optimizer = keras.optimizers.Adam(0.01)
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(simulation.logits(batch) - target))
        optimizer.apply(tape.gradient(loss, simulation.variables), simulation.variables)
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("precision", ["int8", "w8", "w4"])
def test_what_training_gives_back_is_what_was_simulated(backend, precision):
    tf, keras = backend
    graph = network()
    batch = images(graph)
    grids = observed(graph) if precision == "int8" else None
    simulation = simulated(tf, graph, precision, grids)
    losses = trained(tf, keras, simulation, batch)
    assert losses[-1] < losses[0]
    result = simulation.graph()
    lowered = to_int8(result, grids) if grids else (to_w4 if precision == "w4" else to_w8)(result)
    for node in graph:
        if node.weights:
            kernel = result[node.name].weights["kernel"].values
            np.testing.assert_allclose(
                lowered[node.name].weights["kernel"].real(), kernel, rtol=1e-5, atol=1e-7
            )
    found, truth = simulation.logits(batch).numpy(), activations(lowered, batch)["last"]
    tolerance = 2.01 * lowered["last"].grid.scale if grids else 1e-5
    np.testing.assert_allclose(found, truth, atol=tolerance)


@pytest.mark.parametrize("precision", ["fp32", "w8", "w4"])
def test_zeros_stay_zero_in_training(backend, precision):
    tf, keras = backend
    graph = network()
    kernel = graph["point"].weights["kernel"].values.copy()
    zeros = np.abs(kernel) < np.median(np.abs(kernel))
    kernel[zeros] = 0
    point = replace(graph["point"], weights={**graph["point"].weights, "kernel": Weight(kernel, axis=3)})
    graph = replace(graph, nodes=tuple(point if node.name == "point" else node for node in graph))
    simulation = simulated(tf, graph, precision)
    trained(tf, keras, simulation, images(graph), steps=10)
    result = simulation.graph()["point"].weights["kernel"].values
    assert not result[zeros].any()
    assert (result != kernel).any()


def test_logits_are_what_a_softmax_at_the_end_reads(backend):
    tf, _ = backend
    graph = NETWORKS["gated"]()
    simulation = simulated(tf, graph, "w8")
    batch = images(graph, 4)
    np.testing.assert_array_equal(simulation.logits(batch), simulation.tensors(batch)["last"])


@pytest.mark.parametrize("precision", ["fp32", "int8", "w8", "w4"])
def test_every_variable_has_a_gradient(backend, precision):
    tf, _ = backend
    graph = NETWORKS["mobile"]()
    simulation = simulated(tf, graph, precision, observed(graph))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(simulation.logits(images(graph))))
    gradients = tape.gradient(loss, simulation.variables)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_no_gradient_passes_where_codes_saturate(backend):
    tf, _ = backend
    values = tf.Variable([-3.0, -0.5, 0.5, 3.0])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(on_codes(tf, values, Grid(1 / 128, 0)))
    np.testing.assert_array_equal(tape.gradient(total, values), [0, 1, 1, 0])


@given(hnp.arrays(np.float32, 20, elements=st.floats(-300, 300, width=32)), st.integers(-128, 127))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_land_where_the_reference_puts_them(backend, values, zero_point):
    tf, _ = backend
    grid = Grid(float(np.float32(0.7)), zero_point)
    np.testing.assert_array_equal(on_codes(tf, values, grid), real(codes(values, grid), grid))


def test_fine_tuning_takes_the_simulation_closer_to_its_teacher(backend):
    tf, keras = backend
    graph = network(channels=1)
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (256, 9, 9, 1)).astype(np.uint8)
    guide = run(graph, pixels.astype(np.float32) / np.float32(255))
    examples = Split(pixels, guide.argmax(axis=1).astype(np.int64), 1 / 255, LABELS)
    simulation = simulated(tf, graph, "w4")
    before = np.square(simulation.logits(pixels / np.float32(255)) - guide).mean()
    fit(
        tf, keras, simulation_trainee(tf, simulation, 1 / 255, distillation(1.0, 1.0)), examples, examples,
        Recipe(), task=Classification(), seed=1, on_epoch=lambda epoch: None, guide=guide,
    )  # fmt: skip
    lowered = to_w4(simulation.graph())
    assert np.square(run(lowered, pixels / np.float32(255)) - guide).mean() < 0.5 * before
