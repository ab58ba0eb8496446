"""What a pass of the delivery came to, and what an error of the store means for the records that wait."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Delivered", "concerns_record", "one_line"]

#: Unauthorized, forbidden, proxy's authentication, request timeout: the same for every record.
ACCESS_REFUSED = (401, 403, 407, 408)


@dataclass(frozen=True)
class Delivered:
    """What one pass did.

    Attributes:
        finished: records that are complete in MLflow and have left the outbox.
        running: records delivered as far as they are written.
        waiting: records that could not be delivered; they stay in the outbox.
        reason: why they wait, one line; None when nothing waits.
        refused: those of the waiting that a working store refused, each for itself.
    """

    finished: int
    running: int
    waiting: int
    reason: str | None
    refused: int = 0


def concerns_record(error: Exception) -> bool:
    """Whether the store works and refused this one record (others may pass), rather than being out of reach."""
    status = getattr(error, "get_http_status_code", None)  # of an MlflowException
    return status is not None and 400 <= status() < 429 and status() not in ACCESS_REFUSED


def one_line(error: Exception) -> str:
    """An exception as one line of bounded length, for reports and logs."""
    text = " ".join(str(error).split())
    cause = re.search(r"Max retries exceeded.*Caused by (\w+)", text)  # urllib3, through requests and mlflow
    status = re.search(r"too many (5\d\d) error responses", text)
    if cause:
        return (
            f"the server {f'answers with error {status[1]}' if status else f'does not answer ({cause[1]})'}"
        )
    return f"{type(error).__name__}: {text}"[:300]
