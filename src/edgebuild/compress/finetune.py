"""Quantization-aware fine-tuning: a network goes on learning as what it will compute once it is quantized."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from edgebuild.compress.simulate import Simulation, simulated
from edgebuild.graph.ir import Graph, Grid
from edgebuild.train.checkpoint import Checkpoint
from edgebuild.train.loop import Epoch, Examples, Guide, Recipe, Trainee, fit, inference
from edgebuild.train.losses import Loss

if TYPE_CHECKING:
    from edgebuild.tasks.task import Task

__all__ = ["Tuning", "fine_tuned", "simulation_trainee"]


class Tuning(Recipe, Protocol):
    """A recipe that says how much of the loss is the teacher's."""

    @property
    def temperature(self) -> float: ...
    @property
    def alpha(self) -> float: ...


def fine_tuned(
    tf: Any,
    keras: Any,
    graph: Graph,
    precision: str,
    recipe: Tuning,
    *,
    task: Task,
    grids: Mapping[str, Grid] | None = None,
    train: Examples,
    validation: Examples,
    guide: Guide,
    seed: int,
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None = None,
) -> Graph:
    """The fp32 ``graph``, trained on in ``precision``; lowering it changes its kernels no more.

    Args:
        grids: those of int8, as for :func:`edgebuild.compress.simulate.simulated`.
        guide: the teacher's outputs, and
        checkpoint: where to go on after an interruption, as for :func:`edgebuild.train.loop.fit`.

    Raises:
        DataError, Finding: as :func:`edgebuild.train.loop.fit`.
    """
    simulation = simulated(tf, graph, precision, grids)
    loss = task.distillation(recipe.temperature, recipe.alpha)
    trainee = simulation_trainee(tf, simulation, train.scale, loss)
    fit(
        tf, keras, trainee, train, validation, recipe,
        task=task, seed=seed, on_epoch=on_epoch, guide=guide, checkpoint=checkpoint,
    )  # fmt: skip
    return simulation.graph()


def simulation_trainee(tf: Any, simulation: Simulation, scale: float, loss: Loss) -> Trainee:
    """``simulation`` for :func:`edgebuild.train.loop.fit`, trained on ``loss``.

    ``scale`` makes stored images real. Afterwards ``simulation.graph()`` is the
    fp32 graph to lower.
    """

    def objective(pixels: Any, truth: Any, target: Any) -> tuple[Any, Any]:
        outputs = simulation.logits(pixels)
        return loss(tf, outputs, truth, target), outputs

    def model(pixels: Any, training: bool) -> Any:
        del training  # it computes alike in training and afterwards
        return simulation.logits(pixels)

    return Trainee(simulation.variables, objective, inference(tf, model, scale), simulation.variables)
