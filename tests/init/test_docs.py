"""docs/init.md says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/init.md").read_text()


def test_every_message_of_the_table_is_one_of_the_code() -> None:
    table = TEXT.partition("## What is refused")[2]
    cells = [line.split(" | ")[-1] for line in table.splitlines() if line.startswith("|")][2:]
    messages = [message for cell in cells for message in re.findall(r"`([^`]+)`", cell)]
    assert len(messages) >= 25
    code = "".join(path.read_text() for path in sorted((ROOT / "src/edgebuild/init").glob("*.py")))
    spoken = re.sub(r'"\s*\n\s*f?"', "", code)  # texts that go on in the next line
    assert [message for message in messages if message not in spoken] == []


def test_every_option_is_spoken_of() -> None:
    command = (ROOT / "src/edgebuild/commands/init.py").read_text()
    assert [option for option in re.findall(r'"(--[a-z-]+)"', command) if option not in TEXT] == []
