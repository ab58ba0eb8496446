"""Functions of the user's own that params.yaml names: ``module:function``, found beside dvc.yaml.

A stage runs in the folder of dvc.yaml, so ``shapes:load`` is the function ``load`` of
``shapes.py`` there, and ``lab.shapes:load`` that of ``lab/shapes.py``. The file has to be
among the stage's deps; inside the sandbox it does not exist otherwise.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from edgebuild.errors import UsageError

__all__ = ["find"]


def find(name: str, where: str) -> Callable[..., Any]:
    """The function that ``name``, as ``module:function``, names.

    Args:
        name: ``module:function``; the module may be dotted, and is looked for in
            the current folder first, then among the installed packages.
        where: the key of params.yaml that holds the name, for messages.

    Raises:
        UsageError: it is no such name, there is no such module or function, it
            cannot be called, or the module fails while it is imported.
    """
    module_name, colon, function_name = name.partition(":")
    parts = (*module_name.split("."), function_name)
    if not colon or module_name.endswith(".py") or not all(part.isidentifier() for part in parts):
        raise UsageError(
            f"{where}: a function is named as module:function, but this is {name!r}; "
            f"write shapes:load for the function load of shapes.py beside dvc.yaml"
        )
    module = _import(module_name, where)
    if not hasattr(module, function_name):
        there = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module_name and key[0] != "_"
        ]
        raise UsageError(
            f"{where}: {_file(module)} has no function {function_name}; it has {', '.join(there) or 'none'}"
        )
    found: Any = getattr(module, function_name)
    if not callable(found):
        raise UsageError(
            f"{where}: {name} must be a function, but is of type {type(found).__name__}; name a function"
        )
    return found  # type: ignore[no-any-return]


def _import(name: str, where: str) -> ModuleType:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)  # the console script, unlike `python -m`, does not look here
    # A module that was imported elsewhere under the same name, or written a moment ago.
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise UsageError(_failed(name, where, error)) from error
        file = f"{name.replace('.', '/')}.py"
        raise UsageError(
            f"{where}: there is no module {name}: {file} beside dvc.yaml is required; write it, and add "
            f"`- {file}` to the deps of the stage in dvc.yaml"
        ) from None
    except (Exception, SystemExit) as error:
        if hasattr(error, "exit_status"):
            raise  # one of ours, the sandbox's refusal for instance: it says what to do
        raise UsageError(_failed(name, where, error)) from error


def _failed(name: str, where: str, error: BaseException) -> str:
    """What went wrong while ``name`` was imported, with the line of the user's code that did it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    if isinstance(error, SyntaxError):
        place = f" ({os.path.basename(error.filename or name)}:{error.lineno})"
    else:
        place = f" ({os.path.relpath(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return (
        f"{where}: importing {name} failed with {type(error).__name__}: {str(error) or 'no message'}{place}; "
        f"mend the module: `python -c 'import {name}'` shows the whole traceback"
    )


def _is_own(filename: str) -> bool:
    return os.path.abspath(filename).startswith(f"{os.getcwd()}{os.sep}")


def _file(module: ModuleType) -> str:
    return os.path.relpath(module.__file__) if module.__file__ else module.__name__
