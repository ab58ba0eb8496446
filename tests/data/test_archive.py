"""Arrays that are written a chunk at a time and read where they lie."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebuild.data import archive, images
from edgebuild.data.images import Selection, chunks
from edgebuild.data.split import Draw, Split

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))


@settings(deadline=None, max_examples=40)
@given(shape=SHAPES, chunk=st.integers(1, 40), targets=st.booleans())
def test_the_bytes_are_those_of_numpy(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int, int], chunk: int, targets: bool
) -> None:
    codes = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    labels = np.ones((shape[0], 2), np.float32) if targets else np.arange(shape[0]) % 2
    path = tmp_path_factory.mktemp("a") / "ours.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "CHUNK", chunk)
        Split(codes, labels, 1 / 255, ("cat", "dög")).write(path)
    theirs = io.BytesIO()
    np.savez(theirs, images=codes, labels=labels, scale=np.float64(1 / 255), classes=np.array(["cat", "dög"]))
    assert path.read_bytes() == theirs.getvalue()


def test_a_draw_writes_what_its_split_would(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (50, 4, 3, 2), np.uint8)
    chosen = np.array([7, 3, 49, 3])
    draw = Draw(Selection(codes, chosen), np.array([0, 1, 1, 0]), 1 / 255, ("a", "b"))
    draw.write(tmp_path / "draw.npz")
    draw.load().write(tmp_path / "split.npz")
    assert (tmp_path / "draw.npz").read_bytes() == (tmp_path / "split.npz").read_bytes()
    np.testing.assert_array_equal(Split.read(tmp_path / "draw.npz").images, codes[chosen])


def test_images_are_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    codes = np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1)
    Split(codes, np.array([0, 1]), 1 / 255, ("a", "b")).write(tmp_path / "a.npz")
    found = Split.read(tmp_path / "a.npz").images
    assert isinstance(found.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


def test_what_is_mapped_is_checked_against_its_checksum(tmp_path: Path) -> None:
    codes = np.zeros((2, 3, 4, 1), np.uint8)
    Split(codes, np.array([0, 1]), 1 / 255, ("a", "b")).write(tmp_path / "a.npz")
    whole = bytearray((tmp_path / "a.npz").read_bytes())
    whole[170] ^= 1  # among the images
    (tmp_path / "a.npz").write_bytes(whole)
    with pytest.raises(Exception, match="Bad CRC-32 for file 'images.npy'"):
        Split.read(tmp_path / "a.npz")


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_either_order_are_read(tmp_path: Path, order: str) -> None:
    codes = np.asarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1), order=order)  # type: ignore[call-overload]
    np.savez(tmp_path / "a.npz", images=codes)
    np.testing.assert_array_equal(archive.read(tmp_path / "a.npz")["images"], codes)


@given(rows=st.integers(0, 7), count=st.integers(0, 20))
def test_chunks_are_everything_in_order(rows: int, count: int) -> None:
    codes = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    for given_images in (codes, Selection(codes, np.arange(count))):
        parts: list[npt.NDArray[np.uint8]] = list(chunks(given_images, rows))
        assert [int(value) for part in parts for value in part.ravel()] == list(range(count))
        assert all(len(part) <= (rows or count) for part in parts)


def test_batches_are_the_real_images_in_order() -> None:
    codes = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    split = Split(codes, np.arange(10) % 2, 1 / 16, ("a", "b"))
    batches = list(split.batches(4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert all(batch.dtype == np.float32 for batch in batches)
    np.testing.assert_array_equal(np.concatenate(batches), split.real())
    np.testing.assert_array_equal(split.real(3), split.real()[:3])
