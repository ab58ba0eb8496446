"""What the outputs of a graph mean, in words and numbers, for the metadata of every exported file."""

from __future__ import annotations

import json

from edgebuild.graph.ir import Graph

__all__ = ["TASK", "UNITS", "outputs_mean", "properties"]

#: Keys of a file's metadata, of other networks than classifiers.
TASK, UNITS = "task", "units"


def outputs_mean(graph: Graph) -> str:
    """The outputs in one phrase: what they are, and how what is wanted follows from them."""
    if graph.task == "multilabel":
        return "one logit per label, whose sigmoid is the label's probability"
    if graph.task == "regression":
        formulas = (
            f"{name} = output[{at}] * {scale!r} + {offset!r}"
            for at, (name, (scale, offset)) in enumerate(zip(graph.labels, graph.units, strict=True))
        )
        return f"standardized targets: {', '.join(formulas)}"
    if graph.task == "anomaly":
        return (
            "the input as the network repeats it, row by row with channels last; "
            "the score of an anomaly is the mean squared difference to the input"
        )
    return "probabilities" if graph.output.activation == "softmax" else "logits"


def properties(graph: Graph) -> dict[str, str]:
    """What metadata say of a network that is no classifier: its task, and scale and offset of outputs with units."""
    if graph.task == "classification":
        return {}
    units = {UNITS: json.dumps([list(pair) for pair in graph.units])} if graph.units else {}
    return {TASK: graph.task, **units}
