"""Every error edgebuild raises on purpose, as one tree.

    EdgebuildError
    ├── UsageError          the command, params.yaml, dvc.yaml or the data is wrong     exit status 2
    │   ├── ParamsError     a key or value of params.yaml
    │   ├── DataError       a data source or a split on disk
    │   ├── GraphError      a model that the build cannot represent
    │   └── DeclarationError  a stage asked for what its dvc.yaml entry does not declare
    ├── StageError          a stage ended with an exception that is no EdgebuildError   exit status 1
    └── Finding             the build works, but a result is not acceptable             exit status 1
        └── ParityError     a written file does not compute what its graph says

A message states what is required, what was found, and the way out. The command
line prints it without a traceback; everything else is a defect and keeps its
traceback.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "DeclarationError",
    "EdgebuildError",
    "Finding",
    "GraphError",
    "ParamsError",
    "ParityError",
    "StageError",
    "UsageError",
]


class EdgebuildError(Exception):
    """Base of the tree; ``exit_status`` is what the command line returns for it."""

    exit_status = 1


class UsageError(EdgebuildError):
    """The user can mend this: configuration, command line or data."""

    exit_status = 2


class ParamsError(UsageError):
    """A key or a value of params.yaml is not allowed."""


class DataError(UsageError):
    """A data source or a prepared split cannot be used."""


class GraphError(UsageError):
    """A model has a layer, shape or value that the build cannot represent."""


class DeclarationError(UsageError):
    """A stage asked for a path or a parameter that dvc.yaml does not declare for it."""


class StageError(EdgebuildError):
    """A stage failed in a way that nobody foresaw; its traceback was shown when it did."""


class Finding(EdgebuildError):
    """The build ran, and what it found is not acceptable."""


class ParityError(Finding):
    """A written file does not compute what the graph it was written from says."""
