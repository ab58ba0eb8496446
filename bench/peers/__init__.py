"""The converters that are compared, ours among them: plain functions with one signature.

A converter is ``write(source, path)``: from ``source.model()``, the trained
float Keras model, and ``source.calibration()``, its calibration images, to the
file or package at ``path``. It raises whatever its tool raises; the row of the
comparison then says so. To add one, write such a function and list it here.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.peers import ai_edge, apple, onnx_runtime, ours, tflite
from bench.peers.peer import Peer

__all__ = ["PEERS", "Peer", "peer"]

#: In the order of the table: ours and then the vendors'.
PEERS: tuple[Peer, ...] = (*ours.PEERS, *tflite.PEERS, *ai_edge.PEERS, *onnx_runtime.PEERS, *apple.PEERS)

_BY_ID: Mapping[str, Peer] = {item.id: item for item in PEERS}


def peer(name: str) -> Peer:
    """The converter called ``name``."""
    return _BY_ID[name]
