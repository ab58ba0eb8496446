"""Signed provenance: its schema, its signature, and what a check finds."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from edgebuild import cli
from edgebuild.build.digest import md5
from edgebuild.build.environment.record import Environment
from edgebuild.build.provenance import envelope
from edgebuild.build.provenance.check import check
from edgebuild.build.provenance.statement import Evidence, source_uri, statement
from edgebuild.build.provenance.write import write
from edgebuild.errors import Finding, UsageError

BUILDER = "https://ci.example.org/runners/linux"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
KEYS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def keys(folder, kind="ed25519", name="key"):
    """The paths of a private and a public key, PEM as openssl writes them."""
    key = KEYS[kind]()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def built(tmp_path):
    """A built folder and the evidence of it."""
    root = tmp_path / "repository"
    (root / "models/a.mlpackage/Data").mkdir(parents=True)
    (root / "models/a.tflite").write_bytes(b"weights")
    (root / "models/a.mlpackage/Manifest.json").write_text("{}")
    (root / "models/a.mlpackage/Data/model.mlmodel").write_bytes(b"operations")
    (root / "data.npz").write_bytes(b"images")
    outputs = {path: md5(root / path) for path in ("models/a.tflite", "models/a.mlpackage")}
    lines = "".join(f"    - path: {path}\n      md5: {digest}\n" for path, digest in outputs.items())
    (root / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  export:\n    cmd: export\n    outs:\n{lines}")
    return Evidence(
        root=root,
        commit=COMMIT,
        revision="v1.2",
        source="git+https://git.example.org/models.git",
        folder="",
        asked=("export",),
        outputs=outputs,
        inputs=("data.npz",),
        environments={
            "export": Environment("cpython 3.11.9", "Linux glibc 2.36", "x86_64", "avx2", "ab" * 32)
        },
        definition={"dvc.yaml": "cd" * 32},
        report={"schema": 1, "ok": True},
        started=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        finished=datetime(2030, 1, 2, 3, 5, 6, tzinfo=UTC),
    )


def signed(built, folder, change=lambda document: None, **kind):
    """A signed statement of ``built`` after ``change``, and the public key."""
    private, public = keys(folder, **kind)
    document = statement(built, BUILDER)
    change(document)
    path = folder / "provenance.json"
    path.write_bytes(envelope.sign(json.dumps(document).encode(), envelope.private_key(private)))
    return path, public


def test_the_statement_has_the_schema_of_in_toto_and_slsa(built):
    document = statement(built, BUILDER)
    message = json_format.ParseDict(document, StatementMessage())  # refuses what the schema does not know
    Statement.copy_from_pb(message).validate()
    assert message.predicate_type == "https://slsa.dev/provenance/v1"
    predicate = json_format.ParseDict(document["predicate"], Provenance())
    assert predicate.run_details.builder.id == BUILDER
    assert predicate.run_details.metadata.finished_on.ToDatetime(UTC) == built.finished
    assert json.loads(predicate.run_details.byproducts[0].content) == built.report


def test_products_are_all_files_with_their_sha256(built):
    subjects = {entry["name"]: entry["digest"]["sha256"] for entry in statement(built, BUILDER)["subject"]}
    assert subjects == {
        "models/a.tflite": hashlib.sha256(b"weights").hexdigest(),
        "models/a.mlpackage/Manifest.json": hashlib.sha256(b"{}").hexdigest(),
        "models/a.mlpackage/Data/model.mlmodel": hashlib.sha256(b"operations").hexdigest(),
    }


def test_materials_are_the_commit_what_defines_the_build_and_what_git_does_not_have(built):
    materials = statement(built, BUILDER)["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [entry["name"] for entry in materials] == ["source", "dvc.yaml", "data.npz"]
    assert materials[0]["digest"] == {"gitCommit": COMMIT}
    assert materials[2]["digest"] == {"sha256": hashlib.sha256(b"images").hexdigest()}


def test_an_output_that_was_changed_since_it_was_compared_is_not_stated(built):
    (built.root / "models/a.tflite").write_bytes(b"other")
    assert "models/a.tflite" not in [entry["name"] for entry in statement(built, BUILDER)["subject"]]


def test_without_an_equal_output_nothing_is_written(built, tmp_path):
    signer = envelope.private_key(keys(tmp_path)[0])
    with pytest.raises(Finding, match="no output is equal"):
        write(tmp_path / "provenance.json", statement(replace(built, outputs={}), BUILDER), signer)
    assert not (tmp_path / "provenance.json").exists()


@pytest.mark.parametrize("kind", KEYS)
def test_what_is_signed_holds(built, tmp_path, kind):
    path, public = signed(built, tmp_path, kind=kind)
    found = check(path, public, built.root, builder=BUILDER, commit=COMMIT)
    assert found.ok
    assert [subject.status for subject in found.subjects] == ["same"] * 3
    assert found.lines() == [
        f"holds: 3 same of 3 files, built from commit 0123456789 by {BUILDER} until 2030-01-02T03:05:06Z"
    ]


def test_the_signature_is_dsses(built, tmp_path):
    """https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, by the cryptography package alone."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    path, public = signed(built, tmp_path)
    document = json.loads(path.read_text())
    payload, kind = base64.b64decode(document["payload"]), document["payloadType"]
    encoded = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    load_pem_public_key(public.read_bytes()).verify(
        base64.b64decode(document["signatures"][0]["sig"]), encoded
    )


def test_keys_that_openssl_makes_are_taken(built, tmp_path):
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    path = tmp_path / "provenance.json"
    path.write_bytes(
        envelope.sign(json.dumps(statement(built, BUILDER)).encode(), envelope.private_key(private))
    )
    assert check(path, public, built.root).ok


def test_a_changed_payload_is_found(built, tmp_path):
    path, public = signed(built, tmp_path)
    document = json.loads(path.read_text())
    payload = base64.b64decode(document["payload"]).replace(COMMIT.encode(), b"f" * 40)
    path.write_text(json.dumps({**document, "payload": base64.b64encode(payload).decode()}))
    with pytest.raises(
        Finding, match="the statement was changed after it was signed, or another key signed it"
    ):
        check(path, public, built.root)


def test_another_key_is_found(built, tmp_path):
    path, _ = signed(built, tmp_path)
    _, other = keys(tmp_path, name="other")
    with pytest.raises(Finding, match="no signature is valid for this key"):
        check(path, other, built.root)


@pytest.mark.parametrize("keyid", [None, "", "hint"])
def test_the_identifier_of_a_key_is_only_a_hint(built, tmp_path, keyid):
    path, public = signed(built, tmp_path)
    document = json.loads(path.read_text())
    document["signatures"][0]["keyid"] = keyid
    if keyid is None:
        del document["signatures"][0]["keyid"]
    path.write_text(json.dumps(document))
    assert check(path, public, built.root).ok


def test_one_good_signature_among_others_is_enough(built, tmp_path):
    path, public = signed(built, tmp_path)
    document = json.loads(path.read_text())
    bad = base64.b64encode(b"\0" * 64).decode()
    path.write_text(
        json.dumps({**document, "signatures": [{"keyid": "", "sig": bad}, *document["signatures"]]})
    )
    assert check(path, public, built.root).ok


def test_no_signature_is_none(built, tmp_path):
    path, public = signed(built, tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "signatures": []}))
    with pytest.raises(Finding, match=r"found none"):
        check(path, public, built.root)


def test_another_file_is_found_and_named(built, tmp_path):
    path, public = signed(built, tmp_path)
    (built.root / "models/a.tflite").write_bytes(b"other")
    found = check(path, public, built.root)
    assert not found.ok
    assert found.lines()[0].startswith("models/a.tflite: this file is not the one that was built (SHA-256 ")
    assert found.lines()[-1].startswith("does NOT hold: 2 same, 1 differs of 3 files")


def test_a_missing_file_is_found_and_may_be_allowed_where_dvc_lock_records_it(built, tmp_path):
    path, public = signed(built, tmp_path)
    (built.root / "models/a.tflite").unlink()
    assert "get it with dvc pull" in check(path, public, built.root).lines()[0]
    assert not check(path, public, built.root).ok
    assert check(path, public, built.root, allow_missing=True).ok
    lock = built.root / "dvc.lock"
    lock.write_text(lock.read_text().replace(built.outputs["models/a.tflite"], "0" * 32))
    found = check(path, public, built.root, allow_missing=True)
    assert not found.ok
    assert found.lines()[0] == "models/a.tflite: not here, and dvc.lock records another models/a.tflite"
    lock.unlink()
    assert "dvc.lock has no models/a.tflite" in check(path, public, built.root, allow_missing=True).lines()[0]


@pytest.mark.parametrize(
    ("word", "value"), [("builder", "https://elsewhere.example.org"), ("commit", "f" * 40)]
)
def test_another_builder_or_commit_than_expected_is_found(built, tmp_path, word, value):
    path, public = signed(built, tmp_path)
    found = check(path, public, built.root, **{word: value})
    assert not found.ok
    assert found.findings[0].startswith(f"the statement names {word} ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(predicateType="https://slsa.dev/provenance/v0.2"), "predicateType must be https"),
        (lambda d: d.update(_type="https://in-toto.io/Statement/v0.1"), "_type must be https"),
        (lambda d: d["predicate"]["buildDefinition"].update(buildType="x"), "a build of type urn:edgebuild"),
        (lambda d: d.update(subject=[]), "no statement about files"),
        (lambda d: d["subject"][0].update(digest={"sha1": "0"}), "lacks what provenance must have"),
        (lambda d: d.update(predicate=[]), "lacks what provenance must have"),
        (lambda d: d["subject"][0].update(name="../outside"), "outside the folder"),
        (lambda d: d["subject"][0].update(name="/etc/passwd"), "outside the folder"),
    ],
)
def test_a_signed_statement_of_another_kind_is_refused(built, tmp_path, change, message):
    path, public = signed(built, tmp_path, change)
    with pytest.raises(Finding, match=message):
        check(path, public, built.root)


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"payload": "!", "payloadType": "a", "signatures": []}']
)
def test_what_is_no_envelope_is_refused(built, tmp_path, content):
    _, public = keys(tmp_path)
    (tmp_path / "file").write_text(content)
    with pytest.raises(Finding, match="no DSSE envelope"):
        check(tmp_path / "file", public, built.root)


def test_keys_that_are_none_are_a_usage_error_with_the_way_to_make_one(tmp_path):
    private, public = keys(tmp_path)
    for path in (public, tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match="openssl genpkey"):
            envelope.private_key(path)
    for path in (private, tmp_path / "none"):
        with pytest.raises(UsageError, match="openssl pkey"):
            envelope.public_key(path)


def test_without_the_library_the_way_to_install_it_is_said(tmp_path, monkeypatch):
    private, public = keys(tmp_path)
    monkeypatch.setitem(sys.modules, "securesystemslib.signer", None)
    for load, path in ((envelope.private_key, private), (envelope.public_key, public)):
        with pytest.raises(UsageError, match=r"pip install 'edgebuild\[provenance\]'"):
            load(path)


@pytest.mark.parametrize(
    ("remote", "uri"),
    [
        ("https://user:secret@git.example.org/a/b.git", "git+https://git.example.org/a/b.git"),
        ("https://token@git.example.org:8443/a.git?x=1", "git+https://git.example.org:8443/a.git"),
        ("git@git.example.org:a/b.git", "git+ssh://git.example.org/a/b.git"),
        ("ssh://git@git.example.org/a/b", "git+ssh://git.example.org/a/b"),
        ("/home/somebody/models", ""),
        ("../models", ""),
        ("file:///srv/models", ""),
        ("", ""),
    ],
)
def test_a_remote_is_named_without_secrets_and_local_folders_not_at_all(remote, uri):
    assert source_uri(remote) == uri


def test_the_command_prints_the_verdict_and_returns_it_as_status(built, tmp_path, monkeypatch, capsys):
    path, public = signed(built, tmp_path)
    monkeypatch.chdir(built.root)
    arguments = ["provenance", "check", str(path), "--key", str(public)]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.startswith("holds: 3 same of 3 files")
    (built.root / "models/a.tflite").write_bytes(b"other")
    assert cli.main([*arguments, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["commit"]) == (False, COMMIT)
    assert cli.main(["provenance", "check", str(tmp_path / "none"), "--key", str(public)]) == 2
    path.write_text("{}")
    assert cli.main(arguments) == 1


DVC_YAML = """\
stages:
  train:
    cmd: tr a-z A-Z < input > model
    deps: [input]
    outs: [model]
  package:
    cmd: mkdir -p folder && cat model extra > folder/a && {more}
    deps: [model, extra]
    outs: [folder]
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A function that makes a committed build of two stages and works in it; the second stage ends with ``more``."""

    def make(more="true"):
        root = tmp_path / "repository"
        root.mkdir()
        monkeypatch.chdir(root)
        (root / "dvc.yaml").write_text(DVC_YAML.format(more=more))
        (root / "params.yaml").write_text("{}\n")
        (root / "input").write_text("weights")
        (root / "extra").write_text("images")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
        dvc = [sys.executable, "-m", "dvc"]
        for command in (
            [*git, "init", "--quiet"],
            [*dvc, "init", "--quiet"],
            [*dvc, "add", "--quiet", "extra"],
            [*dvc, "repro", "--quiet"],
            [*git, "add", "--all"],
            [*git, "commit", "--quiet", "--message", "built"],
        ):
            subprocess.run(command, check=True, capture_output=True)
        return root

    return make


def test_verify_writes_what_check_confirms(repository, tmp_path):
    root, (private, public) = repository(), keys(tmp_path)
    path = tmp_path / "provenance.json"
    arguments = ["verify", "--provenance", str(path), "--key", str(private), "--builder", BUILDER]
    assert cli.main([*arguments, "--stages", "package"]) == 0
    document = json.loads(base64.b64decode(json.loads(path.read_text())["payload"]))
    definition = document["predicate"]["buildDefinition"]
    assert [entry["name"] for entry in document["subject"]] == ["folder/a"]
    assert definition["externalParameters"]["stages"] == ["package"]
    materials = {entry["name"]: entry["digest"] for entry in definition["resolvedDependencies"]}
    assert list(materials) == ["source", "dvc.yaml", "params.yaml", "dvc.lock", "extra", "model"]
    for name in ("dvc.lock", "dvc.yaml", "extra", "model"):
        assert materials[name]["sha256"] == hashlib.sha256((root / name).read_bytes()).hexdigest()
    assert check(path, public, root, builder=BUILDER, commit=materials["source"]["gitCommit"]).ok


def test_verify_signs_nothing_that_it_could_not_verify(repository, tmp_path, capsys):
    repository(more="date +%N >> folder/a")
    private, _ = keys(tmp_path)
    path = tmp_path / "provenance.json"
    assert cli.main(["verify", "--exact", "--provenance", str(path), "--key", str(private)]) == 1
    assert not path.exists()
    assert f"{path} was not written, since the commit is not verified" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--key", "{private}"], "go together"),
        (["--provenance", "a.json"], "go together"),
        (["--builder", BUILDER], "go together"),
        (["--quick", "--provenance", "a.json", "--key", "{private}"], "--quick builds nothing"),
        (["--provenance", "none/a.json", "--key", "{private}"], "does not exist"),
        (["--provenance", "a.json", "--key", "none"], "must be a private key"),
    ],
)
def test_what_cannot_be_signed_is_refused_before_anything_is_built(
    tmp_path, monkeypatch, capsys, options, message
):
    private, _ = keys(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["verify", *(option.format(private=private) for option in options)]) == 2
    assert message in capsys.readouterr().err
