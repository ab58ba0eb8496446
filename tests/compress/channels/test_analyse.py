"""Dependency groups: what goes together, what stays, and where a concatenation and a flattening put it."""

from __future__ import annotations

import numpy as np
import pytest

from edgebuild.compress.channels.analyse import analyse
from edgebuild.compress.channels.cost import macs, parameters
from edgebuild.errors import GraphError
from edgebuild.graph.count import count
from edgebuild.graph.freeze import freeze
from tests.compress.channels.models import MODELS, SHAPE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def layout(backend):
    return lambda name: analyse(MODELS[name](backend[1]))


def sizes(layout):
    return {group.name: group.size for group in layout.groups}


def part(layout, layer):
    return next(part for part in layout.parts if part.layer == layer and part.role == "kernel")


def test_residual_sums_and_depthwise_convolutions_tie_layers_into_one_group(layout):
    groups = {group.name: group.layers for group in layout("ds_cnn").groups}
    assert groups == {
        "stem": ("stem", "stage0_block0_pointwise", "stage0_block1_pointwise"),
        "stage1_block0_pointwise": ("stage1_block0_pointwise", "stage1_block1_pointwise"),
    }


def test_the_first_convolution_of_a_residual_block_is_a_group_of_its_own(layout):
    groups = {group.name: group.layers for group in layout("resnet").groups}
    assert groups["stage0_block0_conv0"] == ("stage0_block0_conv0",)
    assert groups["stage1_block0_conv1"] == (
        "stage1_block0_conv1",
        "stage1_block0_project",
        "stage1_block1_conv1",
    )


def test_the_reader_of_a_concatenation_reads_its_branches_one_after_the_other(layout):
    found = layout("concatenated")
    assert sizes(found) == {"stem": 5, "left": 4, "right": 6, "after": 7}
    made = [part(found, name).makes[1] for name in ("left", "right", "stem")]
    assert part(found, "after").reads[1].tolist() == np.concatenate(made).tolist()


def test_a_flattened_channel_is_a_row_of_the_dense_layer_for_every_position(layout):
    found = layout("flattened")
    rows = part(found, "hidden").reads[1].reshape(-1, 5)
    assert (rows == part(found, "second").makes[1]).all()
    assert len(rows) == 4


def test_squeeze_excite_ties_the_gate_to_the_map_that_it_scales(layout):
    groups = {group.name: group.layers for group in layout("gated").groups}
    assert groups == {"stem": ("stem", "excite"), "squeeze": ("squeeze",), "point": ("point", "excite2")}


def test_a_layer_that_is_called_twice_ties_what_it_reads(layout):
    groups = {group.name: group.layers for group in layout("shared").groups}
    assert ("first", "twice") in groups.values()


def test_parts_of_a_layer_that_are_tied_to_different_layers_are_different_groups(layout):
    found = layout("shared")
    assert {group.layers for group in found.groups} >= {("low", "whole"), ("high", "whole")}
    assert len(sizes(found)) == len(found.groups)


@pytest.mark.parametrize("name", MODELS)
def test_inputs_and_outputs_are_never_cut(layout, name):
    found = layout(name)
    assert "logits" not in {layer for group in found.groups for layer in group.layers}
    first = next(part for part in found.parts if part.role == "kernel")
    assert len(first.axes[0][1]) == 3


@pytest.mark.parametrize("name", ["ds_cnn", "resnet", "concatenated", "flattened", "gated", "shared"])
def test_parameters_are_those_that_keras_counts(backend, name):
    model = MODELS[name](backend[1])
    assert parameters(analyse(model)) == model.count_params()


@pytest.mark.parametrize("name", ["ds_cnn", "resnet"])
def test_macs_are_those_of_the_frozen_graph(backend, name):
    model = MODELS[name](backend[1])
    assert macs(analyse(model)) == count(freeze(model, ("a", "b", "c"))).macs


def test_a_layer_without_a_rule_keeps_its_channels_and_is_named(backend):
    _, keras = backend
    image = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 1, name="before")(image)
    x = keras.layers.LayerNormalization(name="across")(x)
    x = keras.layers.Conv2D(5, 1, name="after")(x)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))
    found = analyse(model)
    assert sizes(found) == {"after": 5}
    assert found.pinned == {"across": "layers of type LayerNormalization have no rule"}


def test_a_layer_without_a_rule_that_holds_nothing_back_is_not_named(backend):
    _, keras = backend
    image = keras.Input(SHAPE)
    x = keras.layers.Normalization(mean=0.5, variance=0.1, name="scaled")(image)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(5, 1, name="first")(x))
    found = analyse(keras.Model(image, keras.layers.Dense(2)(x)))
    assert sizes(found) == {"first": 5}
    assert not found.pinned


def test_channels_under_a_softmax_stay_but_what_it_reads_may_go(backend):
    _, keras = backend
    image = keras.Input((6,))
    x = keras.layers.Dense(4, name="first")(image)
    x = keras.layers.Dense(5, activation="softmax", name="shares")(x)
    found = analyse(keras.Model(image, keras.layers.Dense(2, activation="softmax", name="answer")(x)))
    assert sizes(found) == {"first": 4}
    assert list(found.pinned) == ["shares"]
    assert "softmax" in found.pinned["shares"]


def test_grouped_convolutions_and_numbers_for_every_channel_stay(backend):
    _, keras = backend
    image = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 1, name="scaled")(image) * np.arange(1, 5, dtype=np.float32)
    x = keras.layers.Conv2D(4, 1, name="read")(x)
    x = keras.layers.Conv2D(6, 3, groups=2, name="grouped")(x)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    found = analyse(model)
    assert not found.groups
    assert sorted(found.pinned.values()) == [
        "it has a number for every channel",
        "its channels are read in groups of fixed sizes",
    ]


def test_a_model_that_was_never_built_is_refused(backend):
    _, keras = backend
    with pytest.raises(GraphError, match=r"graph of layers.*keras\.Input"):
        analyse(keras.Sequential([keras.layers.Dense(2)]))


def test_keeping_nothing_or_of_an_unknown_group_is_an_error(layout):
    found = layout("ds_cnn")
    with pytest.raises(ValueError, match="must keep a channel"):
        found.kept({"stem": np.array([], int)})
    with pytest.raises(ValueError, match=r"\['stme'\]"):
        found.kept({"stme": np.array([0])})
