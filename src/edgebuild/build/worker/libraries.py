"""Importing libraries for children that are yet to be forked, so that each finds what a fresh process would have.

Only libraries of the list are imported ahead; a stage imports the others itself.
A library belongs in the list if importing it takes long enough to matter, starts
no thread (a fork has the forking thread only), and reads no file of the user's
or of the working folder. So these are left out: ONNX Runtime (one thread),
scikit-learn and pandas (pyarrow: one thread), matplotlib (``matplotlibrc``).
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.machinery import all_suffixes

__all__ = ["IMPORTED_AS", "WITHOUT", "load", "shadowed", "threads"]

#: top-level name → what to import, in this order
IMPORTED_AS: dict[str, tuple[str, ...]] = {
    "numpy": ("numpy",),
    "ruamel": ("ruamel.yaml",),
    "rich": ("rich.console", "rich.table"),
    "safetensors": ("safetensors.numpy",),
    "flatbuffers": ("flatbuffers",),
    "google": ("google.protobuf.message",),
    "onnx": ("onnx",),
    "ai_edge_litert": ("ai_edge_litert.schema_py_generated", "ai_edge_litert.interpreter"),
    "coremltools": ("coremltools", "coremltools.converters.mil"),
    "tensorflow": ("tensorflow", "keras"),
}
#: library → what it must not find while it is imported, as in the adapters `train.backend` and `formats.coreml_session`
WITHOUT: dict[str, tuple[str, ...]] = {
    "coremltools": ("tensorflow", "sklearn", "torch", "xgboost"),
    "tensorflow": ("sklearn", "pandas", "matplotlib", "cv2", "torch", "jax"),
}


def load(names: Collection[str]) -> None:
    """Import those libraries among ``names`` that are in the list and installed."""
    for name in IMPORTED_AS:
        if name in names and importlib.util.find_spec(name) is not None:
            with _hidden(WITHOUT.get(name, ())), _warnings_as_for(name):
                for module in IMPORTED_AS[name]:
                    importlib.import_module(module)


def threads() -> int:
    """How many threads this process has, native ones included."""
    return len(os.listdir("/proc/self/task"))


def shadowed(path: Collection[str]) -> list[str]:
    """Loaded modules in whose place a process with the search path ``path`` would have found another.

    Folders that this process searches too do not count. The repository's own
    code is imported after the fork, so it does not count either.
    """
    loaded = {name for name in sys.modules if "." not in name} - {"edgebuild", "__main__"}
    loaded |= {"sitecustomize", "usercustomize"}
    found = []
    for folder in path:
        if folder in sys.path or not os.path.isdir(folder):
            continue
        for entry in os.scandir(folder):
            module = next(
                (entry.name[: -len(end)] for end in all_suffixes() if entry.name.endswith(end)), None
            )
            if module is None and os.path.isfile(os.path.join(entry.path, "__init__.py")):
                module = entry.name
            if module in loaded:
                found.append(entry.path)
    return found


@contextmanager
def _hidden(names: Collection[str]) -> Iterator[None]:
    """Make packages impossible to import for a while, those that are already loaded too."""
    loaded = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]  # None blocks an import
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(loaded)


@contextmanager
def _warnings_as_for(name: str) -> Iterator[None]:
    """`formats.coreml_session` imports coremltools with warnings held back, and its filters do not stay."""
    if name != "coremltools":
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
