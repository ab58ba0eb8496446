"""The tables of the comparisons of distillation and pruning."""

from __future__ import annotations

import pytest

from bench import distillation, pruning


def test_distillation_states_mean_spread_and_gain_over_labels() -> None:
    lines = distillation.table({"labels": [0.90, 0.91, 0.92], "response": [0.92, 0.93, 0.94]}).splitlines()
    assert lines[2] == "| labels | 90.00 | 91.00 | 92.00 | 91.00 | 1.00 | – |"
    assert lines[3] == "| response | 92.00 | 93.00 | 94.00 | 93.00 | 1.00 | +2.00 |"


def test_pruning_states_each_network_in_a_row() -> None:
    row = pruning.Row("taylor-global", 0.925, 650_000, 12_000, 0.5, 2048, {"litert": 12.34, "onnx": 20.06})
    expected = "| taylor-global | 92.50 | 650,000 | 12,000 | 50.0 | 2.0 | 12.3 | 20.1 |"
    assert pruning.table([row]).splitlines()[2] == expected


@pytest.mark.parametrize("module", [distillation, pruning])
def test_help_teaches(module, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "python -m bench." in said
    assert "a built repository" in said
