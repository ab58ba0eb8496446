"""`mlflow models serve` and `mlflow models predict`, as processes, on a model of each flavor.

The processes see neither edgebuild nor TensorFlow: a ``sitecustomize`` makes importing them fail,
and for LiteRT and ONNX coremltools too. Environments are local: an environment made from the
requirements takes a minute and a network.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebuild.mlflow.registry import FLAVORS, open_flavor
from tests.mlflow.conftest import Floats, Written

LIMIT_S = 120  # a shared machine; a server takes 10 s alone


@dataclass(frozen=True)
class Served:
    """A running server, the file that it serves, its process, and what it has written."""

    file: Written
    url: str
    pid: int
    log: Path

    def ask(self, body: Mapping[str, Any]) -> Any:
        """The predictions for ``body``."""
        request = urllib.request.Request(
            f"{self.url}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return json.load(answer)["predictions"]

    def logits(self, body: Mapping[str, Any]) -> Floats:
        answer = self.ask(body)
        return np.asarray(answer["logits"] if self.file.format == "onnx" else answer, np.float32)


def environment(folder: Path, *hidden: str) -> dict[str, str]:
    """Variables of a process in which importing ``hidden`` fails; MLflow looks for uvicorn on PATH."""
    folder.mkdir()
    lines = ["import sys", *(f"sys.modules[{name!r}] = None" for name in hidden)]
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    settings = {"PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore", "MLFLOW_DISABLE_TELEMETRY": "true"}
    settings |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return os.environ | settings | {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def saved(written: Callable[..., Written], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """format → a saved int8 model whose file takes any number of images."""
    folder = tmp_path_factory.mktemp("models")
    for name in FLAVORS:
        open_flavor(name).save_model(written(name, "int8", True).path, folder / name)
    return {name: folder / name for name in FLAVORS}


@pytest.fixture(scope="module")
def servers(
    saved: Mapping[str, Path], written: Callable[..., Written], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Served]]:
    """One server per flavor, started side by side."""
    folder, processes, found = tmp_path_factory.mktemp("servers"), [], {}
    try:
        for name, model in saved.items():
            port, log = free_port(), folder / f"{name}.log"
            command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
            command += [
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--env-manager",
                "local",
                "--workers",
                "1",
            ]
            hidden = ("edgebuild", "tensorflow") + (() if name == "coreml" else ("coremltools",))
            with log.open("wb") as stream:
                process = subprocess.Popen(
                    command,
                    stdout=stream,
                    stderr=stream,
                    env=environment(folder / name, *hidden),
                    cwd=folder,
                    start_new_session=True,
                )
            processes.append(process)
            found[name] = Served(written(name, "int8", True), f"http://127.0.0.1:{port}", process.pid, log)
        for process, server in zip(processes, found.values(), strict=True):
            wait(process, server)
        yield found
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait(process: subprocess.Popen[bytes], server: Served) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        assert process.poll() is None, server.log.read_text()
        assert time.monotonic() < deadline, server.log.read_text()
        try:
            with urllib.request.urlopen(f"{server.url}/ping", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)


@pytest.fixture(params=FLAVORS)
def server(request: pytest.FixtureRequest, servers: Mapping[str, Served]) -> Served:
    return servers[request.param]


def test_a_server_answers_json_arrays_with_the_logits_of_formats(server: Served) -> None:
    given = server.file.given.tolist()
    for body in ({"inputs": given}, {"inputs": {"image": given}}, {"instances": given}):
        assert np.array_equal(server.logits(body), server.file.logits)
    assert np.array_equal(server.logits({"inputs": given[:1]}), server.file.logits[:1])


def test_a_server_answers_data_frames_of_one_flat_image_per_row(server: Served) -> None:
    rows = [[image.reshape(-1).tolist()] for image in server.file.given]
    split = {"dataframe_split": {"columns": ["image"], "data": rows}}
    records = {"dataframe_records": [{"image": row[0]} for row in rows]}
    assert np.array_equal(server.logits(split), server.file.logits)
    assert np.array_equal(server.logits(records), server.file.logits)


def test_requests_at_once_get_their_own_answers(server: Served) -> None:
    def ask(index: int) -> bool:
        at = index % len(server.file.given)
        answer = server.logits({"inputs": server.file.given[at : at + 1].tolist()})
        return np.array_equal(answer, server.file.logits[at : at + 1])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(40)))


def test_what_does_not_fit_is_answered_with_what_would(server: Served) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.ask({"inputs": [[0.0, 1.0]]})
    assert refused.value.code == 400
    assert "does not match expected shape (-1, " in json.loads(refused.value.read())["message"]


def test_a_core_ml_server_says_that_predictions_are_the_evaluators(servers: Mapping[str, Served]) -> None:
    assert "come from the evaluator" in servers["coreml"].log.read_text()


def test_no_server_has_tensorflow_in_its_memory(server: Served) -> None:
    mapped = []
    for path in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # others come and go
            if os.getpgid(int(path.parent.name)) == server.pid:
                mapped.append(path.read_text())
    library = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "coreml": "numpy"}[server.file.format]
    assert [text for text in mapped if library in text]
    assert not [text for text in mapped if "tensorflow" in text]


@pytest.fixture(scope="module")
def predicted(
    saved: Mapping[str, Path], written: Callable[..., Written], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """format → what `mlflow models predict` writes; side by side."""
    folder = tmp_path_factory.mktemp("predictions")

    def predict(name: str) -> Any:
        given = {"inputs": written(name, "int8", True).given.tolist()}
        (folder / f"{name}.json").write_text(json.dumps(given))
        command = [sys.executable, "-m", "mlflow", "models", "predict", "--model-uri", str(saved[name])]
        command += ["--input-path", f"{name}.json", "--output-path", f"{name}.out", "--content-type", "json"]
        command += ["--env-manager", "local"]
        hidden = environment(folder / name, "edgebuild", "tensorflow")
        done = subprocess.run(
            command, env=hidden, cwd=folder, timeout=LIMIT_S, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads((folder / f"{name}.out").read_text())["predictions"]

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(FLAVORS, pool.map(predict, FLAVORS), strict=True))


@pytest.mark.parametrize("name", FLAVORS)
def test_predict_gives_the_logits_of_formats(
    name: str, predicted: Mapping[str, Any], written: Callable[..., Written]
) -> None:
    answer = predicted[name]["logits"] if name == "onnx" else predicted[name]
    assert np.array_equal(np.asarray(answer, np.float32), written(name, "int8", True).logits)
