"""What a subcommand is: a name, a line of help, its arguments, and a function that returns the exit status."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Command"]


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
