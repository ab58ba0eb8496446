"""The protobuf classes of Core ML's file format, without importing coremltools.

coremltools' own ``__init__`` costs seconds; its generated protobuf package
costs 0.1 s and needs nothing else. It is loaded here under a private name. The
classes are the same objects as ``coremltools.proto``'s, whichever comes first,
because protobuf keeps one class per message type.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["mil_pb2", "model_pb2"]

_NAME = "edgebuild.mil._coremltools_proto"


@functools.cache
def _package() -> ModuleType:
    found = importlib.util.find_spec("coremltools")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("coremltools is not installed; Core ML files need its protobuf classes")
    folder = Path(found.origin).parent / "proto"
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{folder} holds no package; reinstall coremltools")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module  # its modules import one another relatively
    spec.loader.exec_module(module)
    return module


def model_pb2() -> ModuleType:
    """Messages of ``Model.proto``: the model's description and metadata."""
    module: ModuleType = _package().Model_pb2
    return module


def mil_pb2() -> ModuleType:
    """Messages of ``MIL.proto``: programs, operations, values."""
    module: ModuleType = _package().MIL_pb2
    return module
