"""What a subcommand is: a name, a line of help, its arguments, and a function that returns the exit status."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgebuild.errors import UsageError

__all__ = ["Command", "write"]


@dataclass(frozen=True)
class Command:
    """One subcommand.

    ``run`` gets the parsed options, and ``options.arguments``, the command line
    as it was given; its docstring is the text of ``edgebuild NAME --help``.
    Modules of commands are imported at every start, so what is slow to import
    is imported inside ``run``.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    epilog: str | None = None

    def add(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add this command to ``edgebuild``'s parser."""
        parser = commands.add_parser(
            self.name,
            help=self.help,
            description=(self.run.__doc__ or self.help).strip(),
            epilog=self.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.arguments(parser)
        parser.set_defaults(action=self.run)


def write(target: Path, text: str) -> None:
    """Write what a command was asked to write to a file.

    Raises:
        UsageError: it cannot be written there.
    """
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written: {error.strerror}; name a file in a folder that exists"
        ) from None
