"""A stage reads and writes only what it declares; whatever else it tries is named, with the line and the way out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebuild.build import runner
from edgebuild.build.sandbox import mounts
from edgebuild.errors import DeclarationError, EdgebuildError, StageError, UsageError

ROOT = Path(__file__).resolve().parents[3]
DVC_YAML = """\
stages:
  make:
    cmd: edgebuild run make
    params: [seed, data]
    deps: [stages/make.py, input.txt, folder, src/own/declared.py]
    outs: [out/file.txt]
"""
#: the stage's line 4 is the line of a test
STAGE = """\
import os, pathlib, socket, subprocess

def main(stage):
    {line}
    stage.out("out/file.txt").write_text(stage.dep("input.txt").read_text())
"""
FILES = {
    "input.txt": "text",
    "folder/deep/a.txt": "a",
    "secret.txt": "secret",
    "other/secret.h5": "secret",
    "src/own/__init__.py": '"""Own."""\n',
    "src/own/declared.py": "VALUE = 1\n",
    "src/own/hidden.py": "VALUE = 2\n",
}
Run = Callable[[str], None]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one stage, and files that it does not declare."""
    monkeypatch.setattr(runner, "ensure_running", lambda *_, **__: None)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    for name, text in {**FILES, "dvc.yaml": DVC_YAML}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "stages").mkdir()
    return tmp_path


@pytest.fixture(params=["namespaces", "links"])
def run(root: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Execute the stage with one more line, in a mount namespace and in a tree of links."""
    if request.param == "links":
        monkeypatch.setattr(mounts, "available", lambda: False)
    return lambda line: execute(root, line)


@pytest.fixture
def namespaced(root: Path) -> Run:
    """The same where only a namespace can enforce it."""
    return lambda line: execute(root, line)


def execute(root: Path, line: str) -> None:
    (root / "stages/make.py").write_text(STAGE.format(line=line))
    runner.run_stage(root, "make", os.environ)


def refusal(root: Path, run: Run, line: str, error: type[EdgebuildError] = DeclarationError) -> str:
    with pytest.raises(error) as caught:
        run(line)
    assert not (root / "out").exists()
    assert list((root / ".edgebuild/staging").iterdir()) == []
    return str(caught.value)


def test_this_system_has_namespaces() -> None:
    assert mounts.available()  # else the tests below would prove less than they say


def test_what_is_declared_can_be_read(root: Path, run: Run) -> None:
    run(
        "from own.declared import VALUE; assert (stage.root / 'folder/deep/a.txt').read_text() == 'a' * VALUE"
    )
    assert (root / "out/file.txt").read_text() == "text"


@pytest.mark.parametrize(
    "line",
    [
        "open('secret.txt')",
        "pathlib.Path('secret.txt').read_bytes()",
        "os.open(os.path.abspath('secret.txt'), os.O_RDONLY)",
        "open('folder/../secret.txt')",
        "subprocess.run(['cat', 'secret.txt'], check=True, stderr=subprocess.DEVNULL)",
    ],
)
def test_an_undeclared_read_names_file_line_and_what_to_add(root: Path, run: Run, line: str) -> None:
    message = refusal(root, run, line)
    assert "stage make reads secret.txt (stages/make.py:4) without declaring it" in message
    assert "add `- secret.txt` to its deps in dvc.yaml" in message


@pytest.mark.parametrize(
    "line",
    [
        "import h5py; h5py.File('other/secret.h5')",
        "import onnxruntime as o; o.InferenceSession('other/secret.h5')",
        "from ai_edge_litert.interpreter import Interpreter; Interpreter('other/secret.h5')",
    ],
)
def test_an_undeclared_read_by_native_code_is_named_too(root: Path, namespaced: Run, line: str) -> None:
    message = refusal(root, namespaced, line)
    assert "reads other/secret.h5 (stages/make.py:4) without declaring it" in message


def test_swallowing_the_error_does_not_hide_the_read(root: Path, run: Run) -> None:
    line = "\n    ".join(["try:", "    open('secret.txt')", "except Exception:", "    pass"])
    assert "reads secret.txt (stages/make.py:5)" in refusal(root, run, line)


def test_what_a_stage_does_not_declare_does_not_exist(namespaced: Run) -> None:
    namespaced("assert not os.path.exists('secret.txt') and sorted(os.listdir('.')) == "
               "['.edgebuild', 'folder', 'input.txt', 'src', 'stages'], os.listdir('.')")  # fmt: skip


@pytest.mark.parametrize("line", ["import own.hidden", "from own import hidden"])
def test_an_undeclared_import_is_named(root: Path, run: Run, line: str) -> None:
    message = refusal(root, run, line)
    assert "reads src/own/hidden.py (stages/make.py:4) without declaring it" in message


def test_the_supervisors_own_modules_are_not_the_stages(root: Path, run: Run) -> None:
    code = root / "src/edgebuild"
    (code / "build").mkdir(parents=True)
    (code / "__init__.py").write_text("")
    (code / "params.py").write_text("")
    assert "reads src/edgebuild/params.py" in refusal(root, run, "import edgebuild.params")


def test_a_disk_without_room_is_told_as_one_and_not_as_a_fault_of_the_stage(
    root: Path, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))"
    assert "stage make could not write: the disk is full" in refusal(root, run, code, UsageError)
    assert "Traceback" not in capfd.readouterr().err


def test_a_library_may_list_the_folders_that_python_searches_and_finds_only_what_is_declared(
    root: Path, run: Run
) -> None:
    run("import sys; assert os.listdir([path for path in sys.path if path.endswith('/src')][0]) == ['own']")
    (root / "dvc.yaml").write_text(DVC_YAML.replace(", src/own/declared.py", ""))
    run("import sys; assert os.listdir([path for path in sys.path if path.endswith('/src')][0]) == []")


def test_a_missing_file_that_is_nowhere_is_the_stages_own_error(root: Path, run: Run) -> None:
    assert "FileNotFoundError" in refusal(root, run, "open('nowhere.txt')", StageError)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("open('more.txt', 'w')", "more.txt"),
        ("os.mkdir('out')", "out"),
        ("os.remove('input.txt')", "input.txt"),
        ("open('input.txt', 'a')", "input.txt"),
        ("os.rename('input.txt', 'renamed.txt')", "input.txt"),
        ("(stage.root / 'folder' / 'new.txt').touch()", "folder/new.txt"),
    ],
)
def test_an_undeclared_write_names_file_line_and_way_out(root: Path, run: Run, line: str, path: str) -> None:
    message = refusal(root, run, line)
    assert f"stage make writes {path} (stages/make.py:4), which it may not" in message
    assert "stage.out(" in message
    assert {name: (root / name).read_text() for name in FILES} == FILES
    assert not (root / "more.txt").exists()


def test_child_processes_cannot_write_either(root: Path, namespaced: Run) -> None:
    line = "subprocess.run('echo x > input.txt; echo x > more.txt; echo x > /usr/more.txt', shell=True, stderr=-3)"
    namespaced(line)
    assert (root / "input.txt").read_text() == "text"
    assert not (root / "more.txt").exists()
    assert not Path("/usr/more.txt").exists()


def test_without_namespaces_a_changed_input_is_found_afterwards(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "available", lambda: False)
    line = "subprocess.run('echo x > input.txt', shell=True)"
    message = refusal(root, lambda line: execute(root, line), line)
    assert "stage make changed input.txt, which it may only read" in message


def test_an_output_that_is_not_declared_is_named(root: Path, run: Run) -> None:
    message = refusal(root, run, "stage.out('out/file.txt').with_name('more.txt').write_text('x')")
    assert "stage make writes out/more.txt (stages/make.py:4) without declaring it" in message
    assert "add `- out/more.txt` to its outs" in message


def test_a_temporary_file_beside_an_output_is_not_an_output(root: Path, run: Run) -> None:
    run(
        "p = stage.out('out/file.txt').with_suffix('.new'); p.write_text('x'); os.replace(p, p.with_suffix('.txt'))"
    )
    assert (root / "out/file.txt").read_text() == "text"


def test_home_and_temporary_folders_are_empty(
    root: Path, namespaced: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a.txt").write_text("a")
    namespaced(
        f"assert not os.path.exists({str(outside)!r}) and os.listdir(os.environ['HOME']) == [] "
        f"and not os.path.exists({str(Path.home() / '.bashrc')!r}) and pathlib.Path('/tmp/x').write_text('x')"
    )
    assert not Path("/tmp/x").exists()


def test_a_folder_that_a_declared_parameter_names_can_be_read(
    root: Path, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("pictures")
    (outside / "a.txt").write_text("a")
    text = (root / "params.yaml").read_text()
    text = text.replace("source: digits", "source: fashion_mnist").replace('folder: ""', f"folder: {outside}")
    (root / "params.yaml").write_text(text)
    run("assert (pathlib.Path(stage.params.data.folder) / 'a.txt').read_text() == 'a'")


@pytest.mark.parametrize(
    "line", ["socket.create_connection(('127.0.0.1', 9), 1)", "socket.getaddrinfo('localhost', 9)"]
)
def test_the_network_is_off_and_the_message_says_how_to_have_it(root: Path, run: Run, line: str) -> None:
    message = refusal(root, run, line)
    assert "reaches for the network" in message
    assert "stages/make.py:4" in message
    assert "add `meta: {network: true}`" in message


def test_child_processes_have_no_network(namespaced: Run) -> None:
    namespaced(
        "assert {line.split(':')[0].strip() for line in open('/proc/net/dev') if ':' in line} == {'lo'}"
    )


def test_a_stage_that_declares_the_network_has_it(root: Path, run: Run) -> None:
    (root / "dvc.yaml").write_text(DVC_YAML.replace("    params", "    meta: {network: true}\n    params"))
    with socket_server() as port:
        run(f"socket.create_connection(('127.0.0.1', {port}), 5).close()")


def test_variables_are_scrubbed_but_for_those_allowed(
    root: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET", "TF_XLA_FLAGS", "DVC_STAGE", "PROXY_OF_MINE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    (root / "dvc.yaml").write_text(
        DVC_YAML.replace("    params", "    meta: {environment: [PROXY_*]}\n    params")
    )
    run(
        "assert not {'SECRET', 'TF_XLA_FLAGS', 'DVC_STAGE'} & set(os.environ) and "
        "[os.environ[n] for n in ('PROXY_OF_MINE', 'ONEDNN_MAX_CPU_ISA', 'PYTHONHASHSEED')] == ['x', 'AVX2', '0']"
    )


def socket_server():  # type: ignore[no-untyped-def]
    """A server on this machine; yields its port."""
    import contextlib
    import socket

    @contextlib.contextmanager
    def server():  # type: ignore[no-untyped-def]
        with socket.create_server(("127.0.0.1", 0)) as listening:
            yield listening.getsockname()[1]

    return server()
