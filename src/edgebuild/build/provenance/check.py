"""Does a signed statement hold for the files that lie here?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from edgebuild.build.provenance.envelope import public_key, verified
from edgebuild.build.provenance.statement import BUILD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, sha256
from edgebuild.errors import Finding, UsageError

__all__ = ["Checked", "Subject", "check"]

#: ``recorded``: not here, and dvc.lock records the output that the statement names.
Status = Literal["same", "differs", "missing", "recorded"]


@dataclass(frozen=True)
class Subject:
    """A file that the statement is about, and how it stands here."""

    name: str
    status: Status
    sha256: str
    text: str = ""


@dataclass(frozen=True)
class Checked:
    """A statement with a valid signature; ``findings`` are what about it is not as expected, apart from files."""

    commit: str
    builder: str
    finished: str
    subjects: tuple[Subject, ...]
    findings: tuple[str, ...]
    allow_missing: bool

    @property
    def ok(self) -> bool:
        accepted = ("same", "recorded") if self.allow_missing else ("same",)
        return not self.findings and all(subject.status in accepted for subject in self.subjects)

    def document(self) -> dict[str, Any]:
        """Everything, for ``--json``."""
        return {"schema": 1, "ok": self.ok, **asdict(self)}

    def lines(self) -> list[str]:
        """For people: what does not hold, then the verdict."""
        said = [*self.findings]
        said += [f"{subject.name}: {subject.text}" for subject in self.subjects if subject.text]
        counts = {word: sum(subject.status == word for subject in self.subjects) for word in get_args(Status)}
        found = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        said.append(
            f"{'holds' if self.ok else 'does NOT hold'}: {found} of {len(self.subjects)} files, built from commit "
            f"{self.commit[:10]} by {self.builder} until {self.finished}"
        )
        return said


def check(
    file: Path, key: Path, root: Path, builder: str = "", commit: str = "", allow_missing: bool = False
) -> Checked:
    """Verify the signature of the statement in ``file`` with the public key in ``key``, then every file below ``root``.

    ``builder`` and ``commit``, where given, are what the statement must name.
    With ``allow_missing`` a file that is not here is accepted where dvc.lock
    records the output of the statement: that is weaker, MD5 instead of SHA-256.

    Raises:
        UsageError: the file or the key cannot be read.
        Finding: the signature is not valid, or what is signed is no statement of this kind.
    """
    verifier = public_key(key)
    try:
        envelope = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror}); edgebuild verify --provenance writes it"
        ) from None
    document = _statement(verified(envelope, verifier))
    try:
        definition, details = document["predicate"]["buildDefinition"], document["predicate"]["runDetails"]
        if definition["buildType"] != BUILD_TYPE:
            raise Finding(
                f"the statement must be about a build of type {BUILD_TYPE}, found {definition['buildType']!r}"
            )
        built = str(definition["externalParameters"]["source"]["digest"]["gitCommit"])
        by, finished = str(details["builder"]["id"]), str(details["metadata"]["finishedOn"])
        recorded = _recorded(root)
        subjects = tuple(_subject(entry, root, recorded) for entry in document["subject"])
    except (KeyError, TypeError, AttributeError) as error:
        raise Finding(
            f"the signed statement lacks what provenance must have ({type(error).__name__}: {error})"
        ) from None
    findings = [
        f"the statement names {what} {found}, expected {expected}"
        for what, found, expected in (("builder", by, builder), ("commit", built, commit))
        if expected and found != expected
    ]
    return Checked(built, by, finished, subjects, tuple(findings), allow_missing)


def _statement(payload: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(payload)
    except ValueError as error:
        raise Finding(f"what is signed is no JSON ({error})") from None
    if not isinstance(document, dict) or not document.get("subject"):
        raise Finding("what is signed is no statement about files")
    for key, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if document.get(key) != expected:
            raise Finding(f"the statement's {key} must be {expected}, found {document.get(key)!r}")
    return document


def _subject(entry: Mapping[str, Any], root: Path, recorded: Mapping[str, str]) -> Subject:
    name, digest = str(entry["name"]), str(entry["digest"]["sha256"])
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise Finding(f"the statement names {name!r}, which lies outside the folder it is checked in")
    path = root / pure
    if path.is_file():
        found = sha256(path)
        if found == digest:
            return Subject(name, "same", digest)
        return Subject(
            name,
            "differs",
            digest,
            f"this file is not the one that was built (SHA-256 {found[:12]}, not {digest[:12]})",
        )
    annotations = entry.get("annotations", {})
    output, old = str(annotations.get("output", "")), str(annotations.get("md5", ""))
    if old and recorded.get(output) == old:
        return Subject(
            name, "recorded", digest, "not here; dvc.lock records it as it was built; get it with dvc pull"
        )
    known = (
        f"dvc.lock records another {output}" if output in recorded else f"dvc.lock has no {output or name}"
    )
    return Subject(name, "missing", digest, f"not here, and {known}")


def _recorded(root: Path) -> Mapping[str, str]:
    """Output → MD5 of dvc.lock; nothing where there is none."""
    from edgebuild.build.verify.lock import entries

    path = root / "dvc.lock"
    if not path.is_file():
        return {}
    return {
        out: digest
        for entry in entries(path.read_text(encoding="utf-8")).values()
        for out, digest in entry.outs.items()
    }
