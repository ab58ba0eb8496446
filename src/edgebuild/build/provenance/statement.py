"""What provenance says: an in-toto Statement v1 with the SLSA Provenance v1 predicate.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
https://slsa.dev/spec/v1.0/provenance

Products (subjects) are files with their SHA-256: those of every output that a clean
clone of the commit has made again bit for bit. docs/provenance.md describes the
parameters of this type of build.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from edgebuild.build.digest import md5
from edgebuild.build.environment.record import Environment

__all__ = ["BUILD_TYPE", "PREDICATE_TYPE", "STATEMENT_TYPE", "Evidence", "sha256", "source_uri", "statement"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:edgebuild:verify:v1"


@dataclass(frozen=True)
class Evidence:
    """One verified build, while its files still lie there.

    Attributes:
        root: the folder of dvc.yaml in the clean clone.
        commit: what was built, 40 hexadecimal digits; ``revision`` is what was asked for.
        source: where the repository is, as `source_uri` tells it; "" if that is nowhere but here.
        folder: of dvc.yaml in the repository, "" or ending in a slash.
        asked: the stages that were asked for, none for all.
        outputs: path → MD5 as in dvc.lock, of the outputs that are equal to the committed ones.
        inputs: paths of what was read and is neither in the commit nor among the outputs.
        environments: of every stage that was executed.
        definition: path → SHA-256 of the files of the commit that say what is built, with what, and what came out.
        report: what verify found, as JSON.
    """

    root: Path
    commit: str
    revision: str
    source: str
    folder: str
    asked: Sequence[str]
    outputs: Mapping[str, str]
    inputs: Sequence[str]
    environments: Mapping[str, Environment]
    definition: Mapping[str, str]
    report: Mapping[str, Any]
    started: datetime
    finished: datetime


def statement(evidence: Evidence, builder: str) -> dict[str, Any]:
    """The statement; ``builder`` is the URI of who vouches for the machine that built. Its files are read now."""
    subjects = [
        entry
        for path, digest in evidence.outputs.items()
        if md5(evidence.root / path) == digest  # what lies there now is what was compared
        for entry in _files(evidence.root, path, {"output": path, "md5": digest})
    ]
    source: dict[str, Any] = {"digest": {"gitCommit": evidence.commit}}
    if evidence.source:
        source["uri"] = evidence.source
    report = json.dumps(evidence.report, indent=2, sort_keys=True).encode()
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "source": source,
                    "revision": evidence.revision,
                    "folder": evidence.folder,
                    "stages": list(evidence.asked),
                },
                "internalParameters": _environments(evidence.environments),
                "resolvedDependencies": [{"name": "source", **source}, *_materials(evidence)],
            },
            "runDetails": {
                "builder": {"id": builder, "version": {name: version(name) for name in ("edgebuild", "dvc")}},
                "metadata": {
                    "invocationId": uuid.uuid4().urn,
                    "startedOn": _time(evidence.started),
                    "finishedOn": _time(evidence.finished),
                },
                "byproducts": [
                    {
                        "name": "verify.json",
                        "mediaType": "application/json",
                        "digest": {"sha256": hashlib.sha256(report).hexdigest()},
                        "content": base64.b64encode(report).decode(),
                    }
                ],
            },
        },
    }


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_uri(remote: str) -> str:
    """A git remote's address as a URI without user and password; "" for none, and for folders of this machine."""
    scheme, host, path = urlsplit(remote)[:3]
    if scheme in ("http", "https", "ssh", "git"):
        return urlunsplit((f"git+{scheme}", host.rpartition("@")[2], path, "", ""))
    before, colon, after = remote.partition(":")
    if colon and "/" not in before and not scheme.startswith("file"):  # scp's way: user@host:path
        return f"git+ssh://{before.rpartition('@')[2]}/{after.lstrip('/')}"
    return ""


def _materials(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for name, digest in evidence.definition.items():
        yield {"name": name, "digest": {"sha256": digest}}
    for path in evidence.inputs:
        yield from _files(evidence.root, path, {})


def _files(root: Path, path: str, annotations: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """A file, or every file of a folder, by the path from ``root``."""
    place = root / path
    files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
    for file in files:
        entry: dict[str, Any] = {
            "name": file.relative_to(root).as_posix(),
            "digest": {"sha256": sha256(file)},
        }
        yield {**entry, "annotations": dict(annotations)} if annotations else entry


def _environments(environments: Mapping[str, Environment]) -> dict[str, Any]:
    """As in environment.lock: each environment once, and the stages by its identifier."""
    return {
        "environments": {found.id: asdict(found) for found in environments.values()},
        "stages": {stage: found.id for stage, found in environments.items()},
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
