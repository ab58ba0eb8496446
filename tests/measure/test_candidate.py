"""The time of a model that exists only in memory."""

from __future__ import annotations

import pytest

from edgebuild.measure.candidate import litert_us
from edgebuild.zoo.ds_cnn import ds_cnn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_network_many_times_as_large_takes_longer(backend):
    _, keras = backend
    small, large = (
        ds_cnn(keras, (16, 16, 1), 3, width=width, blocks=1, stages=2, stem_stride=1) for width in (4, 128)
    )
    assert 0 < litert_us(small) < litert_us(large)
