"""The curve of a training, passed on while it grows and written at the end."""

from __future__ import annotations

from edgebuild.train.history import History
from edgebuild.train.loop import Epoch

FIRST = {"loss": 1.23456789, "accuracy": 0.5, "val_loss": 1e-7, "val_accuracy": 1 / 3}
SECOND = {"loss": 1000000.0, "accuracy": 1.0, "val_loss": 0.0, "val_accuracy": 0.75}


def recorded():
    metrics, progress = [], []
    history = History(lambda *given: metrics.append(given), lambda *given: progress.append(given))
    history.add(Epoch(1, 2, FIRST))
    history.add(Epoch(2, 2, SECOND))
    return history, metrics, progress


def test_every_epoch_goes_to_tracking_and_to_the_console():
    _, metrics, progress = recorded()
    assert metrics == [(FIRST, 1), (SECOND, 2)]
    assert progress == [
        (1, 2, "loss 1.2346, validation accuracy 0.3333"),
        (2, 2, "loss 1000000.0000, validation accuracy 0.7500"),
    ]


def test_the_last_epoch_is_told_in_words():
    assert recorded()[0].last == "loss 1000000.0000, validation accuracy 0.7500"


def test_the_file_has_one_row_per_epoch_with_six_digits_and_unix_lines(tmp_path):
    recorded()[0].write(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_bytes() == (
        b"epoch,loss,accuracy,val_loss,val_accuracy\n1,1.23457,0.5,1e-07,0.333333\n2,1e+06,1,0,0.75\n"
    )
