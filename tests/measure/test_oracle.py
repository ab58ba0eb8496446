"""Counting how far a file's answers are from the reference's, and refusing what is too far."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import binom

from edgebuild.errors import ParityError
from edgebuild.measure.oracle import GRID_LIMITS, HALF, Comparison, Limit, Verdict, _share_kept, judge
from edgebuild.tasks.classification import Classification
from edgebuild.tasks.regression import Regression, Target

STEP = 0.25


def compare(outputs, reference, step, chunk=5):
    """The verdict of a classification, whose images nobody looks at."""
    compared = Comparison(Classification(), step)
    for start in range(0, len(outputs), chunk):
        part = slice(start, start + chunk)
        compared.add(outputs[part], reference[part], np.zeros((0, 1, 1, 1), np.float32))
    assert compared.images == len(outputs)
    return compared.verdict(np.zeros(len(outputs), np.int64))


codes = hnp.arrays(np.int64, (8, 4), elements=st.integers(-128, 127))


@given(codes)
def test_a_file_that_says_the_same_is_wholly_equal(reference):
    logits = (reference * STEP).astype(np.float32)
    assert compare(logits, logits, STEP) == Verdict(8, 1.0, 1.0, 0, outputs=32, most=0)
    for limit in (*GRID_LIMITS.values(), HALF):
        judge(compare(logits, logits, STEP), limit, "a file")


@given(codes, st.integers(0, 31), st.integers(1, 50))
def test_one_different_logit_is_counted_with_its_distance(reference, place, distance):
    other = reference.copy()
    other.reshape(-1)[place] -= distance
    verdict = compare((other * STEP).astype(np.float32), (reference * STEP).astype(np.float32), STEP)
    assert (verdict.equal, verdict.steps) == (31 / 32, distance)


def test_a_label_that_the_reference_itself_holds_by_one_step_is_a_tie():
    reference = np.array([[3, 2, 0], [3, 1, 0]], np.float32) * STEP
    logits = np.array([[2, 3, 0], [1, 3, 0]], np.float32) * STEP
    assert compare(logits, reference, STEP).labels == 0.5
    assert compare(logits, reference, None).labels == 0.0


@pytest.mark.parametrize(
    "verdict",
    [Verdict(100, 1.0, 0.998, 1), Verdict(100, 1.0, 1.0, 2), Verdict(100, 0.99, 1.0, 1), Verdict(100, 0.99)],
)
def test_whatever_exceeds_a_limit_is_refused_by_name_with_what_was_found(verdict):
    with pytest.raises(ParityError, match=r"pruned-onnx-int8 must give.*on 100 images it has"):
        judge(verdict, Limit(0.999, 1, 1.0), "pruned-onnx-int8")


@pytest.mark.parametrize(("images", "differing", "passes"), [(120, 1, True), (120, 2, False), (400, 2, True)])
def test_a_share_of_few_images_is_at_least_one_image_unless_all_must_agree(images, differing, passes):
    verdict = Verdict(images, 1 - differing / images, 1.0, 0)
    with pytest.raises(ParityError):
        judge(verdict, GRID_LIMITS["onnx"], "a file")
    if passes:
        judge(verdict, HALF, "a file")
    else:
        with pytest.raises(ParityError):
            judge(verdict, HALF, "a file")


@pytest.mark.parametrize(
    ("outputs", "differing", "passes"),
    [
        (640, 2, True),
        (640, 5, True),
        (640, 6, False),
        (4000, 13, True),
        (4000, 18, False),
        (100_000, 140, False),
    ],
)
def test_few_outputs_may_differ_more_often_than_the_rate_by_chance(outputs, differing, passes):
    verdict = Verdict(160, 1.0, 1 - differing / outputs, 1, outputs=outputs)
    if passes:
        assert judge(verdict, GRID_LIMITS["onnx"], "a file") is verdict
    else:
        with pytest.raises(ParityError):
            judge(verdict, GRID_LIMITS["onnx"], "a file")


@given(st.integers(10, 5000), st.floats(0.9, 0.9999))
def test_what_is_refused_is_less_probable_than_one_in_a_thousand(outputs, share):
    differing = next(
        count for count in range(outputs + 1) if not _share_kept(1 - count / outputs, outputs, share)
    )
    assert binom.sf(differing - 1, outputs, 1 - share) < 1e-3


def test_single_outputs_may_be_further_away_in_float16_but_not_one_in_a_thousand():
    reference = np.tile(np.array([[40.0, 0.0]], np.float32), (1000, 1)) * STEP
    for further, passes in ((2, True), (3, False)):
        logits = reference.copy()
        logits[:further, 1] += 11 * STEP
        verdict = compare(logits, reference, STEP, chunk=300)
        assert (verdict.steps, verdict.most) == (11, 0 if passes else 11)
        if passes:
            judge(verdict, HALF, "a file")
        else:
            with pytest.raises(ParityError, match="on 1,000 images"):
                judge(verdict, HALF, "a file")


def test_a_verdict_is_written_to_six_decimals():
    assert Verdict(3, 2 / 3, 1 / 3, 1).as_json() == {
        "images": 3,
        "labels": 0.666667,
        "equal": 0.333333,
        "steps": 1,
    }


def test_quantities_of_a_float_file_are_compared_by_their_size():
    task = Regression((Target("age", 0.0, 1.0, 0.5),))
    reference = np.linspace(-1, 1, 50, dtype=np.float32)[:, None]
    compared = Comparison(task, None)
    compared.add(reference + np.float32(0.01), reference, np.zeros((50, 1, 1, 1), np.float32))
    verdict = compared.verdict(reference)
    assert verdict.as_json() == {"images": 50, "labels": 1.0, "equal": None, "steps": None, "error": 0.005}
    judge(verdict, Limit(0.0, 0, 0.995), "a file")
    with pytest.raises(ParityError, match=r"at most 5.00% of their range apart"):
        judge(Verdict(50, 1.0, error=0.05), Limit(0.0, 0, 0.995), "a file")
