"""A graph as the bytes of a .tflite file, written directly with LiteRT's own schema.

No converter and no TensorFlow: what the graph holds is what the file holds.
:mod:`.model` puts the file together, :mod:`.ops` says how each op of the graph
is written, :mod:`.writer` collects tensors and operators, :mod:`.metadata` is
what applications read beside the network.
"""

from __future__ import annotations

from edgebuild.formats.tflite.model import serialize

__all__ = ["serialize"]
