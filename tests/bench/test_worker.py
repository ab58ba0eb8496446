from __future__ import annotations

import sys
from pathlib import Path

from bench.worker import Done, Job, Plan, run

DOUBLE = (sys.executable, str(Path(__file__).with_name("double_worker.py")))
PLAN = Plan("data", "work", {}, {}, 1, {})


def outcomes(*behaviours: str, patience_s: float = 60.0) -> list[Done]:
    done: list[Done] = []
    jobs = [Job("act", name) for name in behaviours]
    run(PLAN, jobs, done.append, patience_s=patience_s, command=DOUBLE)
    assert [item.job for item in done] == jobs
    return done


def test_jobs_share_one_process_and_an_exception_does_not_end_it() -> None:
    first, failed, last = outcomes("work", "raise", "work")
    assert first.facts == last.facts
    assert failed.error == "ValueError: two lines"


def test_a_crash_fails_its_own_job_and_the_next_ones_run_in_a_fresh_process() -> None:
    before, crashed, after = outcomes("work", "crash", "work")
    assert before.error is None
    assert crashed.error == "its process ended with status -11: about to crash"
    assert after.error is None
    assert after.facts != before.facts


def test_a_job_that_hangs_is_ended_and_the_next_one_runs() -> None:
    hung, after = outcomes("hang", "work", patience_s=3.0)
    assert hung.error == "it did not finish within 3 s"
    assert after.error is None


def test_no_jobs_need_no_process() -> None:
    assert outcomes() == []
