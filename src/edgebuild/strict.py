"""From parsed YAML to frozen dataclasses, refusing whatever does not fit.

All problems of a file are found at once, each with the key, the value, what is
allowed and, for an unknown key, the nearest known one. A key may be left out where
its field has a default.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edgebuild.errors import ParamsError

__all__ = ["Range", "build", "read_yaml"]

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both included unless said otherwise."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def admits(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open_low else f"at least {self.low:g}"
        high = f"below {self.high:g}" if self.open_high else f"at most {self.high:g}"
        return f"{low} and {high}"


def read_yaml(path: Path) -> object:
    """The plain values of a YAML 1.2 file, read by the parser that DVC uses.

    Raises:
        ParamsError: no such file, not text, or not YAML (with line and column).
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist; run edgebuild in the folder that holds dvc.yaml") from None
    except (UnicodeDecodeError, IsADirectoryError, PermissionError) as error:
        raise ParamsError(f"{path} cannot be read as UTF-8 text: {error}") from None
    except (YAMLError, ValueError) as error:  # a bare ValueError for a date such as 2001-99-99
        detail = " ".join(str(error).split())
        raise ParamsError(f"{path} is not valid YAML: {detail}") from None


def build(kind: type[T], value: object) -> tuple[T | None, list[str]]:
    """An instance of dataclass ``kind`` from ``value``, or None and what is wrong."""
    problems: list[str] = []
    result = _convert(kind, value, "", problems)
    return (None if problems else typing.cast(T, result)), problems


def _convert(kind: Any, value: object, where: str, problems: list[str]) -> object:
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _convert_section(typing.cast(type[Any], kind), value, where, problems)
    if origin is typing.Annotated:
        base, bounds = typing.get_args(kind)
        number = _convert(base, value, where, problems)
        if isinstance(number, int | float) and not bounds.admits(number):
            problems.append(f"{where}: {value!r} is out of range; allowed is {bounds}")
        return number
    if origin in (
        types.UnionType,
        typing.Union,
    ):  # ``X | None``: may be left out, but where it is stated, it is X
        (kind,) = (part for part in typing.get_args(kind) if part is not types.NoneType)
        return _convert(kind, value, where, problems)
    if origin is typing.Literal:
        allowed = typing.get_args(kind)
        # By type too: to Python, 1, 1.0 and true are equal.
        if not any(type(value) is type(choice) and value == choice for choice in allowed):
            problems.append(
                f"{where}: {value!r} is not allowed; choose {_choices(allowed)}{_nearest(value, allowed)}"
            )
        return value
    if origin is not None and issubclass(origin, Mapping):
        return _convert_mapping(typing.get_args(kind)[1], value, where, problems)
    return _convert_scalar(kind, value, where, problems)


def _convert_section(kind: type[Any], value: object, where: str, problems: list[str]) -> object:
    hints = typing.get_type_hints(kind, include_extras=True)
    if not isinstance(value, Mapping):
        problems.append(
            f"{where or 'the file'}: {_show(value)} is not a mapping; it has the keys {', '.join(hints)}"
        )
        return None
    prefix = f"{where}." if where else ""
    for key in value:
        if key not in hints:
            problems.append(
                f"{prefix}{key}: unknown key, with value {_show(value[key])}; known are {', '.join(hints)}"
                f"{_nearest(key, tuple(hints))}"
            )
    fields = {}
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    for key, hint in hints.items():
        if key in value:
            fields[key] = _convert(hint, value[key], prefix + key, problems)
        elif key in required:
            problems.append(f"{prefix}{key}: missing; every knob is stated, {_describe(hint)}")
    return kind(**fields) if required <= fields.keys() else None


def _convert_mapping(kind: Any, value: object, where: str, problems: list[str]) -> object:
    if not isinstance(value, Mapping) or not value:
        problems.append(f"{where}: {_show(value)} is not a mapping with at least one entry")
        return None
    return types.MappingProxyType(
        {str(key): _convert(kind, item, f"{where}.{key}", problems) for key, item in value.items()}
    )


def _convert_scalar(kind: Any, value: object, where: str, problems: list[str]) -> object:
    # bool is an int to Python, and an int is a fine float to a person.
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        problems.append(f"{where}: {_show(value)} is not {_describe(kind)}")
        return None
    return value


def _describe(kind: Any) -> str:
    names = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
    if typing.get_origin(kind) is typing.Annotated:
        base, bounds = typing.get_args(kind)
        return f"{_describe(base)}, {bounds}"
    if typing.get_origin(kind) is typing.Literal:
        return f"one of {_choices(typing.get_args(kind))}"
    return names.get(kind, "a section")


def _choices(allowed: tuple[object, ...]) -> str:
    return " or ".join(str(choice) for choice in allowed)


def _nearest(value: object, known: tuple[object, ...]) -> str:
    found = difflib.get_close_matches(str(value), [str(name) for name in known], n=1, cutoff=0.6)
    return f" (did you mean {found[0]}?)" if found and found[0] != str(value) else ""


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
