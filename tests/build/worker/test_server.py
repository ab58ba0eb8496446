"""Servers: how many there are, whom they serve, when they end."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from edgebuild.build.worker import libraries, protocol, server
from edgebuild.build.worker.server import Server
from tests.build.worker.workshop import Workshop, wait

MADE = (0, "made\n", "")


def test_clients_that_come_at_once_share_one_server(workshop: Workshop) -> None:
    workshop.write("import time; time.sleep(0.3); print('made')")
    clients = [workshop.start("run", "make") for _ in range(4)]
    for client in clients:
        out, err = client.communicate(timeout=60)
        assert (client.returncode, out, err) == MADE
    assert len(workshop.servers()) == 1
    assert not workshop.was_plain()


def test_the_next_client_finds_the_same_server(workshop: Workshop) -> None:
    workshop.write("print('made')")
    assert workshop.run("run", "make") == MADE
    before = workshop.servers()
    assert workshop.run("run", "make") == MADE
    assert workshop.servers() == before


def test_a_socket_and_a_lock_that_a_killed_server_left_are_no_obstacle(workshop: Workshop) -> None:
    workshop.write("print('made')")
    workshop.run("run", "make")
    (first,) = workshop.servers()
    os.kill(first, signal.SIGKILL)
    wait(lambda: not workshop.servers())
    assert list((workshop.run_folder / "edgebuild").glob("*.socket"))
    assert workshop.run("run", "make") == MADE


def test_a_server_ends_when_it_is_idle_and_leaves_no_address(workshop: Workshop) -> None:
    workshop.write("print('made')")
    assert workshop.run("run", "make", idle_s=0.2) == MADE
    wait(lambda: not workshop.servers())
    left = {entry.suffix for entry in (workshop.run_folder / "edgebuild").iterdir()}
    assert left <= {".lock", ".log"}
    assert workshop.run("run", "make") == MADE


def test_a_server_waits_for_its_stages(workshop: Workshop) -> None:
    workshop.write("import time; time.sleep(1); print('made')")
    with workshop.start("run", "make", idle_s=0.1) as client:
        assert client.communicate(timeout=30)[0] == "made\n"
    assert not workshop.was_plain()


def test_the_switch_turns_it_off(workshop: Workshop) -> None:
    workshop.write("print('made')")
    with workshop.start("run", "make", variables={"EDGEBUILD_WORKER": "0"}) as client:
        assert client.communicate(timeout=30)[0] == "made\n"
    assert workshop.was_plain()
    assert not (workshop.run_folder / "edgebuild").exists()


def test_a_folder_that_others_can_enter_is_not_used(workshop: Workshop) -> None:
    workshop.write("print('made')")
    (workshop.run_folder / "edgebuild").mkdir(mode=0o755)
    with workshop.start("run", "make") as client:
        assert client.communicate(timeout=30)[0] == "made\n"
    assert workshop.was_plain()


def test_a_module_in_the_place_of_a_loaded_one_is_left_to_a_plain_process(workshop: Workshop) -> None:
    workshop.write("import shutil; print(shutil.NAME)")
    (workshop.folder / "shutil.py").write_text("NAME = 'mine'\n")
    with workshop.start("run", "make") as client:
        assert client.communicate(timeout=30)[0] == "mine\n"
    assert workshop.was_plain()


def test_a_request_that_is_none_does_not_end_a_server(workshop: Workshop) -> None:
    workshop.write("print('made')")
    workshop.run("run", "make")
    (address,) = (workshop.run_folder / "edgebuild").glob("*.socket")
    for nonsense in (b"", b"{}", b"\xff", b'{"arguments": 1}'):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(address))
            connection.send(nonsense)
            assert connection.recv(64) == b""
    assert workshop.run("run", "make") == MADE


def answer(tmp_path: Path, served: Server) -> bytes:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = protocol.Request("make", ("run", "make"), str(tmp_path), {}, (), 0o22, (), (), 1)
    with near, far:
        protocol.send_request(near, request)
        served._answer(far)
        return near.recv(1024)


@pytest.mark.parametrize("count", [2, 5])
def test_a_server_with_more_than_one_thread_does_not_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(server, "needs", lambda *_: frozenset({"something"}))
    monkeypatch.setattr(libraries, "threads", lambda: count)
    with socket.socket() as listener:
        served = Server(listener, tmp_path / "a.socket", 1.0)
        assert answer(tmp_path, served) == f"refused {count} threads after importing something".encode()
        monkeypatch.setattr(libraries, "threads", lambda: 1)
        assert answer(tmp_path, served).startswith(b"refused")  # it never does again


def test_a_server_in_which_an_import_failed_does_not_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(names: object) -> None:
        raise OSError("half a library")

    monkeypatch.setattr(server, "needs", lambda *_: frozenset({"something"}))
    monkeypatch.setattr(libraries, "load", fail)
    with socket.socket() as listener:
        served = Server(listener, tmp_path / "a.socket", 1.0)
        # Other tests may have left threads in this process, which is refused as well.
        assert answer(tmp_path, served).startswith(b"refused ")
