"""The network layer by layer."""

from __future__ import annotations

import numpy as np

from edgebuild.graph.ir import Node, Weight
from edgebuild.report.evidence import Evidence
from edgebuild.report.network import network, stored_bytes


def test_layers_with_weights_are_listed_in_the_order_of_computation(evidence: Evidence) -> None:
    rows, everything = network(evidence.graphs, evidence.sensitivity)
    assert [(row.name, row.parameters, row.macs) for row in rows] == [("stem", 20, 288), ("logits", 9, 6)]
    assert (everything.parameters, everything.macs) == (29, 294)
    assert everything.bytes == {"fp32": 4 * 29, "int8": (18 + 8 + 8 + 8) + (6 + 12 + 12 + 12)}


def test_sensitivity_is_placed_on_a_logarithmic_scale(evidence: Evidence) -> None:
    rows, _ = network(evidence.graphs, evidence.sensitivity)
    assert [(row.divergence, round(row.weight, 2), row.in_float) for row in rows] == [
        (1e-5, 0.08, False),
        (1e-3, 1.0, True),
    ]


def test_a_layer_that_was_not_measured_has_none(evidence: Evidence) -> None:
    rows, _ = network(evidence.graphs, [])
    assert [row.divergence for row in rows] == [None, None]


def test_two_numbers_of_four_bits_share_a_byte() -> None:
    weight = Weight(np.ones((1, 1, 5, 1), np.int8), np.ones(1, np.float32), 3, bits=4)
    assert stored_bytes(Node("x", "conv2d", (), (1, 1, 1), weights={"kernel": weight})) == 3 + 4
