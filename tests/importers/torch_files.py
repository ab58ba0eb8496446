"""Writes tests/importers/files: two small networks as PyTorch's two exporters write them.

Run by hand, where PyTorch, ONNX and onnxscript are installed:
``python tests/importers/torch_files.py``. The files in the repository are those of
torch 2.13.0, onnxscript 0.7.2.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from torch import nn

FILES = Path(__file__).parent / "files"


class Maps(nn.Module):
    """Batch normalization, unlike padding, a depthwise convolution, a sum, a flattening of a 4×4 map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.head = nn.Linear(8 * 4 * 4, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(image)))
        x = self.pool(x + nn.functional.hardswish(self.depthwise(x)).relu())
        return self.head(x.view(x.size(0), -1))


class Signal(nn.Module):
    """One-dimensional convolutions over three channels of a sensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(3, 8, 5, padding=2)
        self.norm = nn.BatchNorm1d(8)
        self.second = nn.Conv1d(8, 6, 3, stride=2, padding=1)
        self.head = nn.Linear(6 * 8, 4)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool1d(torch.relu(self.norm(self.first(window))), 2)
        return torch.log_softmax(self.head(nn.functional.relu6(self.second(x)).flatten(1)), dim=1)


def write(module: nn.Module, shape: tuple[int, ...], name: str) -> None:
    """By the exporter from TorchScript and by the one from ``torch.export``, the batch open."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0, 0.1)
    image = torch.rand(2, *shape)
    script, dynamo = FILES / f"{name}-script.onnx", FILES / f"{name}-dynamo.onnx"
    names = {"input_names": ["image"], "output_names": ["logits"]}
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(module.eval(), (image,), script, dynamo=False, dynamic_axes=axes, **names)
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    torch.onnx.export(
        module.eval(), (image,), dynamo, dynamo=True, dynamic_shapes=shapes, external_data=False, **names
    )
    model = onnx.load(dynamo)
    for item in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input):
        del item.metadata_props[:]  # traces of the stack, with paths
    for item in (*model.graph.initializer, *model.graph.output):
        del item.metadata_props[:]
    onnx.save(model, dynamo)


if __name__ == "__main__":
    torch.manual_seed(0)
    FILES.mkdir(exist_ok=True)
    write(Maps(), (2, 15, 15), "maps")
    write(Signal(), (3, 32), "signal")
