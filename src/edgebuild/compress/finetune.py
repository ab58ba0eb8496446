"""Fine-tuning of a network as it will compute once it is quantized."""

from __future__ import annotations

from typing import Any

from edgebuild.compress.simulate import Simulation
from edgebuild.train.loop import Trainee, inference
from edgebuild.train.losses import Loss

__all__ = ["simulation_trainee"]


def simulation_trainee(tf: Any, simulation: Simulation, scale: float, loss: Loss) -> Trainee:
    """``simulation`` for :func:`edgebuild.train.loop.fit`, trained on ``loss``.

    ``scale`` makes stored images real. Afterwards ``simulation.graph()`` is the
    fp32 graph to lower.
    """

    def objective(pixels: Any, labels: Any, target: Any) -> tuple[Any, Any]:
        logits = simulation.logits(pixels)
        return loss(tf, logits, labels, target), logits

    def model(pixels: Any, training: bool) -> Any:
        del training  # it computes alike in training and afterwards
        return simulation.logits(pixels)

    return Trainee(simulation.variables, objective, inference(tf, model, scale))
