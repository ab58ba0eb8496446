"""Measuring in a process of its own: with a double for the runtime, and with a real one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgebuild.errors import Finding
from edgebuild.measure.isolated import run, thread_environment
from edgebuild.measure.measurement import Measurement

DOUBLE = (sys.executable, str(Path(__file__).with_name("double_runtime.py")))


def measure(path: Path, behaviour: str, name: str = "litert", timeout_s: float = 30.0) -> Measurement:
    path.write_text(behaviour)
    return run(name, path, (8, 6, 1), threads=3, warmup=2, runs=20, command=DOUBLE, timeout_s=timeout_s)


@pytest.mark.parametrize("behaviour", ["good", "chat"])
def test_a_measurement_comes_back_whole(tmp_path: Path, behaviour: str) -> None:
    found = measure(tmp_path / "model", behaviour)
    assert found.threads == 3
    assert found.not_run is None
    assert found.latency is not None
    assert 1000 <= found.latency.p50 <= found.latency.p90 <= found.latency.p99
    assert (found.latency.runs, found.latency.batch) == (20, 1)
    assert found.load_ms is not None
    assert found.load_ms > 0
    assert found.first_load_ms is not None
    assert found.peak_rss_bytes is not None
    assert found.peak_rss_bytes > 10_000_000


def test_a_runtime_that_is_not_there_says_why_and_is_no_zero(tmp_path: Path) -> None:
    found = measure(tmp_path / "model", "good", name="coreml")
    assert found == Measurement(3, None, None, None, None, "runs on the moon only")


def test_a_crash_is_a_finding_with_signal_and_last_words(tmp_path: Path) -> None:
    with pytest.raises(Finding) as found:
        measure(tmp_path / "model", "segfault")
    assert "was killed by SIGSEGV" in str(found.value)
    assert "about to crash" in str(found.value)
    assert "model with litert on 3 thread(s)" in str(found.value)


def test_an_exit_status_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(Finding, match="ended with status 3; it wrote nothing to stderr"):
        measure(tmp_path / "model", "exit")


def test_an_exception_is_a_finding_with_its_text(tmp_path: Path) -> None:
    with pytest.raises(Finding, match=r"(?s)ended with status 1; its last words:.*No such file or directory"):
        run("litert", tmp_path / "nothing", (8, 6, 1), threads=3, warmup=0, runs=1, command=DOUBLE)


def test_a_hang_is_a_finding_that_names_the_knob(tmp_path: Path) -> None:
    with pytest.raises(Finding, match=r"must end within 2 s, but it did not; lower benchmark\.litert\.runs"):
        measure(tmp_path / "model", "hang", timeout_s=2.0)


def test_anything_but_json_on_the_last_line_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(Finding, match="but it printed 'and then something else'"):
        measure(tmp_path / "model", "--silent")
    with pytest.raises(Finding, match="but it printed nothing"):
        run("litert", tmp_path, (8, 6, 1), threads=1, warmup=0, runs=1, command=(sys.executable, "-c", ""))


def test_an_unknown_format_is_a_finding_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(Finding, match="format 'gguf' is not one of keras, litert"):
        run("gguf", tmp_path, (8, 6, 1), threads=1, warmup=0, runs=1)


def test_every_pool_is_held_to_the_threads() -> None:
    assert set(thread_environment(4).values()) == {"4"}
    assert {"OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"} <= set(thread_environment(4))


def test_a_real_onnx_file_is_measured_by_its_real_runtime(tmp_path: Path) -> None:
    from onnx import TensorProto, checker, helper, numpy_helper, save

    weights = numpy_helper.from_array(np.ones((48, 2), np.float32), "weights")
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    ends = [("image", [1, 1, 8, 6]), ("logits", [1, 2])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", values[:1], values[1:], [weights]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    checker.check_model(model)
    save(model, tmp_path / "tiny.onnx")
    found = run("onnx", tmp_path / "tiny.onnx", (8, 6, 1), threads=1, warmup=5, runs=50)
    assert found.latency is not None
    assert 0 < found.latency.p50 < 10_000
