"""A child like edgebuild.measure.isolated with runtimes that behave as their file's text says."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgebuild.measure.isolated import main


class Session:
    def __init__(self, behaviour: str, threads: int) -> None:
        self.behaviour = behaviour
        self.threads = threads

    def predict(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return images.reshape(len(images), -1)

    def bind(self, image: npt.NDArray[np.float32]) -> Callable[[], object]:
        assert image.shape == (1, 8, 6, 1)
        assert image.dtype == np.float32
        assert os.environ["OMP_NUM_THREADS"] == str(self.threads) == os.environ["TF_NUM_INTRAOP_THREADS"]
        if self.behaviour == "segfault":
            print("about to crash", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.behaviour == "exit":
            sys.exit(3)
        if self.behaviour == "chat":
            print("loaded a model")
        return lambda: time.sleep(60 if self.behaviour == "hang" else 0.001)


class Runtime:
    def __init__(self, name: str) -> None:
        self.name = name

    def unavailable_runtime(self) -> str | None:
        return "runs on the moon only" if self.name == "coreml" else None

    def load(self, path: Path, threads: int) -> Session:
        return Session(path.read_text(), threads)


if __name__ == "__main__":
    status = main(find=Runtime)
    if "--silent" in Path(sys.argv[2]).read_text():
        print("and then something else")
    sys.exit(status)
