"""One picture, whatever its size and kind, to the bytes that networks read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from edgebuild.params.data import Image
from edgebuild.sources.image import Unusable, decode

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def to(height: int, width: int, channels: int = 3, fit: str = "stretch") -> Image:
    return Image(height=height, width=width, channels=channels, fit=fit)  # type: ignore[arg-type]


def png(array: npt.NDArray[np.generic], mode: str | None = None, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    picture = Pillow.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(file, "png", **options)
    file.seek(0)
    return file


def halves(top: tuple[int, ...], bottom: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """4×2 pixels of two colours."""
    return np.array([[top, top]] * 2 + [[bottom, bottom]] * 2, np.uint8)


def test_a_picture_of_the_right_size_keeps_its_bytes() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    np.testing.assert_array_equal(decode(png(colours), to(5, 4)), colours)


def test_grey_becomes_one_channel_or_three_equal_ones() -> None:
    grey = np.arange(20, dtype=np.uint8).reshape(5, 4)
    np.testing.assert_array_equal(decode(png(grey), to(5, 4, 1))[..., 0], grey)
    np.testing.assert_array_equal(decode(png(grey), to(5, 4, 3)), np.stack([grey] * 3, -1))


def test_colours_become_grey_by_luma() -> None:
    found = decode(png(np.array([[RED, GREEN, BLUE]], np.uint8)), to(1, 3, 1))
    assert found.ravel().tolist() == [76, 150, 29]  # ITU-R BT.601: 0.299, 0.587, 0.114


def test_a_palette_is_looked_up() -> None:
    colours = halves(RED, BLUE)
    np.testing.assert_array_equal(decode(png(colours, "P"), to(4, 2)), colours)


def test_black_and_white_of_one_bit_becomes_0_and_255() -> None:
    bits = np.array([[0, 255], [255, 0]], np.uint8)
    np.testing.assert_array_equal(decode(png(bits, "1"), to(2, 2, 1))[..., 0], bits)


def test_sixteen_bits_are_rounded_to_eight() -> None:
    deep = np.array([[0, 128, 129, 257, 65535]], np.uint16)
    assert decode(png(deep), to(1, 5, 1)).ravel().tolist() == [0, 0, 1, 1, 255]


def test_what_is_transparent_lies_on_black_unless_alpha_is_asked_for() -> None:
    clear = np.array([[(200, 100, 50, 255), (200, 100, 50, 0)]], np.uint8)
    assert decode(png(clear), to(1, 2)).tolist() == [[[200, 100, 50], [0, 0, 0]]]
    np.testing.assert_array_equal(decode(png(clear), to(1, 2, 4)), clear)


def test_a_transparent_colour_of_a_palette_lies_on_black() -> None:
    picture = Pillow.new("P", (2, 1))
    picture.putpalette([*RED, *BLUE])
    picture.putpixel((1, 0), 1)
    file = io.BytesIO()
    picture.save(file, "png", transparency=1)
    file.seek(0)
    assert decode(file, to(1, 2)).tolist() == [[list(RED), [0, 0, 0]]]


@pytest.mark.parametrize(("orientation", "turned"), [(1, 0), (6, -1), (3, 2), (8, 1)])
def test_a_camera_held_upright_is_turned_back(orientation: int, turned: int) -> None:
    colours = np.array([[RED, GREEN], [BLUE, RED], [GREEN, GREEN]], np.uint8).repeat(8, 0).repeat(8, 1)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    file = png(colours, None, exif=exif)
    expected = np.rot90(colours, turned)
    found = decode(file, to(*expected.shape[:2]))
    np.testing.assert_array_equal(found, expected)


def test_cropping_keeps_the_middle() -> None:
    wide = np.array([[RED, GREEN, GREEN, BLUE]], np.uint8).repeat(2, 0)
    np.testing.assert_array_equal(decode(png(wide), to(2, 2, fit="crop")), [[GREEN, GREEN]] * 2)


def test_padding_puts_the_whole_picture_on_black() -> None:
    wide = np.array([[RED, GREEN, GREEN, BLUE]], np.uint8)
    found = decode(png(wide), to(3, 4, fit="pad"))
    np.testing.assert_array_equal(found[1], wide[0])
    assert not found[[0, 2]].any()


def test_stretching_uses_all_of_it() -> None:
    found = decode(png(halves(RED, BLUE)), to(2, 4, fit="stretch"))
    assert (found == found[:, :1]).all()
    assert found[0, 0, 0] > 200 > 50 > found[0, 0, 2]
    assert found[1, 0, 2] > 200 > 50 > found[1, 0, 0]


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    wanted=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    fit=st.sampled_from(["crop", "pad", "stretch"]),
    channels=st.sampled_from([1, 3, 4]),
)
def test_any_size_becomes_the_one_asked_for_and_one_colour_stays_one(
    size: tuple[int, int], wanted: tuple[int, int], fit: str, channels: int
) -> None:
    found = decode(png(np.full((*size, 3), 90, np.uint8)), to(*wanted, channels, fit))
    assert found.shape == (*wanted, channels)
    assert found.dtype == np.uint8
    colours = found[..., :3] if channels == 4 else found
    if fit == "pad":
        colours = colours[colours > 0]
        assert colours.size > 0
    assert (colours == 90).all()


def test_the_same_file_gives_the_same_bytes_from_disk_and_from_memory(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    path = tmp_path / "a.jpg"
    Pillow.fromarray(noise).save(path)
    np.testing.assert_array_equal(
        decode(path, to(8, 8, fit="crop")), decode(io.BytesIO(path.read_bytes()), to(8, 8, fit="crop"))
    )


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size_to_nearly_the_same(fit: str) -> None:
    waves = np.sin(np.arange(900) / 40)[:, None, None] + np.cos(np.arange(700) / [[30.0], [50], [70]]).T
    colours = np.clip(128 + 50 * waves, 0, 255).astype(np.uint8)
    jpeg = io.BytesIO()
    Pillow.fromarray(colours).save(jpeg, "jpeg", quality=95)
    whole = png(np.asarray(Pillow.open(io.BytesIO(jpeg.getvalue()))))
    found, expected = (decode(file, to(48, 64, fit=fit)).astype(int) for file in (jpeg, whole))
    assert 0 < np.abs(found - expected).max() <= 4


def test_a_jpeg_of_less_than_four_times_the_size_is_decoded_whole() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (190, 190, 3), np.uint8)
    jpeg = io.BytesIO()
    Pillow.fromarray(noise).save(jpeg, "jpeg")
    whole = png(np.asarray(Pillow.open(io.BytesIO(jpeg.getvalue()))))
    np.testing.assert_array_equal(decode(jpeg, to(48, 48)), decode(whole, to(48, 48)))


def damaged() -> dict[str, tuple[bytes, str]]:
    noise = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    whole = png(noise).read()
    jpeg, gif, svg = io.BytesIO(), io.BytesIO(), b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    Pillow.fromarray(noise).save(jpeg, "jpeg")
    Pillow.fromarray(noise).save(gif, "gif")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    return {
        "empty": (b"", "empty file"),
        "text": (b"hello world", "no PNG or JPEG file: it starts with 68 65 6c 6c"),
        "gif": (gif.getvalue(), "no PNG or JPEG file, but GIF"),
        "svg": (svg, "no PNG or JPEG file, but SVG"),
        "truncated png": (whole[: len(whole) // 2], "truncated or damaged"),
        "truncated jpeg": (jpeg.getvalue()[: len(jpeg.getvalue()) // 2], "truncated or damaged"),
        "flipped png": (bytes(flipped), "truncated or damaged"),
        "only a signature": (whole[:8], "truncated or damaged"),
    }


@pytest.mark.parametrize("case", damaged())
def test_a_file_that_is_no_picture_says_why(case: str) -> None:
    content, message = damaged()[case]
    with pytest.raises(Unusable, match=message):
        decode(io.BytesIO(content), to(8, 8))


def test_a_picture_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    for side in (11, 20):  # Pillow warns of the first and refuses the second
        with pytest.raises(Unusable, match="more than 100 pixels; make it smaller"):
            decode(png(np.zeros((side, side), np.uint8)), to(8, 8))
