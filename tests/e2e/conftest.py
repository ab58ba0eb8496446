"""One built clone for all end-to-end tests; whoever changes it puts it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.clone import Clone, make


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = make(tmp_path_factory.mktemp("first"))
    done = clone.run("edgebuild", "run")
    (clone.root / "console.txt").write_text(done.stdout)
    (clone.root / "errors.txt").write_text(done.stderr)
    yield clone
    clone.run("edgebuild", "track")  # ends when no delivery process holds the store any more
