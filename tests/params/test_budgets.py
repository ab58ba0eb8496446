"""Section ``budgets`` of params.yaml: what it may say, and which limits hold for a variant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgebuild.errors import ParamsError, UsageError
from edgebuild.params import read
from edgebuild.params.budgets import Budgets, LatencyLimit, Limits

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")
KNOWN = ("teacher-keras-fp32", "teacher-litert-fp32", "pruned-litert-int8", "pruned-onnx-int8")


def refused(budgets: str, folder: Path) -> str:
    """What is said of the shipped file with another section ``budgets``."""
    text = SHIPPED[: SHIPPED.index("\nbudgets:\n") + 1]
    (folder / "params.yaml").write_text(f"{text}budgets:\n{budgets}\n")
    with pytest.raises(ParamsError) as refusal:
        read(folder / "params.yaml")
    return str(refusal.value)


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ("  limits: {}", "budgets.limits: {} is not a mapping with at least one entry"),
        ("  strict: true", "budgets.limits: missing"),
        ("  limits: {default: {}}", "budgets.limits.default: it states no limit; known are accuracy, drop,"),
        ("  limits: {default: {acuracy: 0.9}}", "acuracy: unknown key, with value 0.9; known .*did you mean accuracy"),
        ("  limits: {default: {accuracy: 95}}", "default.accuracy: 95 is out of range; allowed is at"),
        ("  limits: {default: {drop: -1}}", "default.drop: -1 is out of range"),
        ("  limits: {default: {bytes: 0}}", "default.bytes: 0 is out of range; allowed is at least 1"),
        ("  limits: {default: {bytes: 1.5}}", "default.bytes: 1.5 is not a whole number"),
        ("  limits: {default: {accuracy: null}}", "default.accuracy: None is not"),
        ("  limits: {pruned-litert-int9: {drop: 1}}", "no variant is called so; .*did you mean pruned-litert-int8"),
        ('  limits: {"*-int9": {drop: 1}}', r"limits.\*-int9: no variant is called so"),
        ("  limits: {default: {latency: 0.5}}", "default.latency: 0.5 is not a mapping; it has the keys ratio, of"),
        ("  limits: {default: {latency: {ratio: 0.5}}}", "default.latency.of: missing"),
        ("  limits: {default: {latency: {ratio: 0, of: x}}}", "latency.ratio: 0 is out of range; allowed is above 0"),
        (
            '  limits: {"pruned-litert-*": {latency: {ratio: 1, of: "teacher-{format}-fp31"}}}',
            "latency.of: 'teacher-litert-fp31' is not built, but .*did you mean teacher-litert-fp32",
        ),
        (
            '  limits: {"pruned-litert-*": {latency: {ratio: 1, of: "teacher-{runtime}-fp32"}}}',
            r"latency.of: 'teacher-\{runtime\}-fp32' is no name; in braces only \{model\}, \{format\} and",
        ),
        (
            "  limits: {pruned-litert-int8: {latency: {ratio: 1, of: pruned-litert-int8}}}",
            "pruned-litert-int8 cannot be compared with itself; name another variant",
        ),
        ("  limits: {pruned-litert-fp32: {parity_logits: 1}}", "only int8 files have logits on a grid, and .* is fp32"),
        ("  limits: {pruned-keras-fp32: {parity_labels: 1}}", "a Keras model is what graphs are made from"),
        ("  strict: true\n  limits: {default: {accuracy: 1.0}}", "accuracy: 1.0 can be proven by no finite test set"),
        ("  confidence: 1\n  limits: {default: {drop: 1}}", "budgets.confidence: 1 is out of range"),
        ("  tolerated: {byte: 1}\n  limits: {default: {drop: 1}}", "budgets.tolerated.byte: .*did you mean bytes"),
        ("  latency_noise: -0.1\n  limits: {default: {drop: 1}}", "budgets.latency_noise: -0.1 is out of range"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(budgets: str, message: str, tmp_path: Path) -> None:
    told = refused(budgets, tmp_path)
    assert re.search(message, told), told
    assert "nothing was run or changed" in told


def test_the_section_may_be_left_out_and_so_may_all_of_it_but_limits(tmp_path: Path) -> None:
    text = SHIPPED[: SHIPPED.index("\n# What `edgebuild check`")]
    (tmp_path / "params.yaml").write_text(text)
    assert read(tmp_path / "params.yaml").budgets is None
    (tmp_path / "params.yaml").write_text(f"{text}\nbudgets: {{limits: {{default: {{drop: 1}}}}}}\n")
    assert read(tmp_path / "params.yaml").budgets == Budgets({"default": Limits(drop=1.0)})


def test_the_closer_limit_wins_whatever_the_order() -> None:
    budgets = Budgets(
        {
            "pruned-litert-int8": Limits(drop=1.0),
            "*-int8": Limits(drop=2.0, bytes=10),
            "pruned-*": Limits(bytes=20),
            "default": Limits(drop=3.0, bytes=30, accuracy=0.9),
        }
    )
    assert budgets.of("pruned-litert-int8") == Limits(accuracy=0.9, drop=1.0, bytes=20)
    assert budgets.of("pruned-onnx-int8") == Limits(accuracy=0.9, drop=2.0, bytes=20)
    assert budgets.of("teacher-keras-fp32") == Limits(accuracy=0.9, drop=3.0, bytes=30)


@pytest.mark.parametrize("of", ["teacher-{format}-fp32", "{model}-onnx-fp32", "pruned-litert-{precision}"])
def test_a_reference_is_named_after_the_variant(of: str) -> None:
    expected = of.format(model="pruned", format="onnx", precision="int8")
    assert LatencyLimit(1.0, of).reference("pruned-onnx-int8") == expected


@pytest.mark.parametrize("of", ["{}-litert-fp32", "{0}", "{model", "{model.upper}", "{other}"])
def test_a_reference_with_other_braces_is_refused(of: str) -> None:
    with pytest.raises(UsageError, match="is no name; in braces only"):
        LatencyLimit(1.0, of).reference("pruned-onnx-int8")


def test_the_shipped_budgets_name_what_is_built_and_no_stage_reads_them() -> None:
    params = read(ROOT / "params.yaml")
    assert params.budgets is not None
    assert params.budgets.problems(params.ids) == []
    assert "budgets" not in (ROOT / "dvc.yaml").read_text(encoding="utf-8")


def test_the_documentation_shows_the_shipped_section_and_knows_every_limit() -> None:
    told = (ROOT / "docs/budgets.md").read_text(encoding="utf-8")
    assert SHIPPED[SHIPPED.index("\nbudgets:\n") :].strip() in told
    assert [name for name in Limits.__dataclass_fields__ if f"`{name}" not in told] == []
