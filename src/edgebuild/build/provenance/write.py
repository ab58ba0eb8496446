"""Writing a signed statement, all of it or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgebuild.build.provenance.envelope import sign
from edgebuild.errors import Finding

__all__ = ["UNNAMED", "write"]

#: the builder of a statement that names none
UNNAMED = "urn:edgebuild:builder:unnamed"


def write(path: Path, document: Mapping[str, Any], signer: Any) -> int:
    """Sign the statement ``document`` and write it to ``path``; returns how many files it speaks of.

    ``signer`` is what `edgebuild.build.provenance.envelope.private_key` returned.

    Raises:
        Finding: it speaks of none.
        OSError: the file cannot be written; what was there is as it was.
    """
    subjects = len(document["subject"])
    if not subjects:
        raise Finding(
            "no output is equal bit for bit to the committed one, so there is nothing that provenance could state; "
            "verify where environment.lock says that the outputs were made, or build and commit here"
        )
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(sign(json.dumps(document).encode(), signer))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return subjects
