"""Fix the numbers of every precision once, for all runtimes; the int8 grid from calibration images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebuild.compress.quantize import to_fp16, to_int8, to_w8
from edgebuild.compress.ranges import observe
from edgebuild.data.split import Split
from edgebuild.errors import UsageError
from edgebuild.graph import file
from edgebuild.graph.run import run
from edgebuild.measure.accuracy import agreement

if TYPE_CHECKING:
    from edgebuild.build.stage import Stage


def main(stage: Stage) -> None:
    """pruned graph, calibration → the same network as fp16, w8 and int8 graph."""
    params = stage.params.quantize
    calibration = Split.read(stage.dep("data/calibration.npz"))
    if params.samples > len(calibration):
        raise UsageError(
            f"quantize.samples asks for {params.samples} images, but the calibration split has {len(calibration)}; "
            f"lower it, or raise data.calibration in params.yaml"
        )
    images = calibration.real()[: params.samples]
    graph = file.read(stage.dep("models/graphs/pruned-fp32.safetensors"))
    grids = observe(graph, images, ranges=params.ranges, percentile=params.percentile)
    graphs = [to_fp16(graph), to_w8(graph), to_int8(graph, grids)]
    for lowered in graphs:
        file.write(lowered, stage.out(f"models/graphs/pruned-{lowered.precision}.safetensors"))
    same = agreement(run(graphs[-1], images), run(graph, images))
    stage.metrics({"calibration_agreement": same})
    stage.say(
        f"{len(grids)} tensors on the int8 grid from {len(images)} images, {same:.1%} of their labels kept"
    )
