"""A child like bench.worker whose jobs do what their network is called."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from bench.worker import Job, Plan, main


def act(plan: Plan, job: Job) -> dict[str, Any]:
    if job.network == "crash":
        print("about to crash", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if job.network == "hang":
        time.sleep(60)
    if job.network == "raise":
        raise ValueError("two\nlines")
    return {"process": os.getpid()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], kinds={"act": act}))
