"""The import of TensorFlow in a process of its own: quiet, without baggage, deterministic."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import importlib.util, json, os, sys
from edgebuild.train.backend import load
tf, keras = load(seed=3, threads=2)
unused = ("sklearn", "pandas", "matplotlib")
dragged_in = [name for name in unused if name in sys.modules]
import matplotlib
from tensorflow.python.framework import config
first = keras.random.uniform((3,)).numpy().tolist()
load(seed=3, threads=2)
print(json.dumps({
    "dragged_in": dragged_in,
    "importable": [name for name in unused if name in sys.modules or importlib.util.find_spec(name)],
    "intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
    "inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
    "deterministic": config.is_op_determinism_enabled(),
    "reseeded": first == keras.random.uniform((3,)).numpy().tolist(),
}))
os.write(2, b"heard")
"""


@pytest.fixture(scope="module")
def process():
    return subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)


def test_the_import_says_nothing_and_later_words_are_heard(process):
    assert process.stderr == "heard"


def test_packages_that_no_stage_uses_are_left_out_and_can_be_imported_later(process):
    report = json.loads(process.stdout)
    assert report["dragged_in"] == []
    assert report["importable"] == ["sklearn", "pandas", "matplotlib"]


def test_threads_and_determinism_are_set_and_every_call_seeds_anew(process):
    report = json.loads(process.stdout)
    assert (report["intra_op"], report["inter_op"]) == (2, 1)
    assert report["deterministic"]
    assert report["reseeded"]


def test_what_was_said_during_an_import_that_fails_is_shown(capfd):
    import os

    from edgebuild.train.backend import _native_stderr_held_back

    with pytest.raises(ImportError), _native_stderr_held_back():
        os.write(2, b"the reason")
        raise ImportError
    assert capfd.readouterr().err == "the reason"
