"""One picture from a PNG or JPEG file to the bytes that networks read: height, width and channels as asked for.

Orientation (EXIF) is applied. 16-bit grey becomes 8-bit by rounding v / 257;
colours of 16 bits lose their lower byte, as Pillow reads them. Where fewer than
four channels are asked for, transparent pixels are laid over black. Grey is
ITU-R BT.601's luma. Sizes are changed by an area-aware bilinear filter. A JPEG
is decoded at 1/2, 1/4 or 1/8 of its size where both sides stay at least twice as
long as the longer one asked for, which its format is made for (ITU-T T.81, of 8×8
blocks the low frequencies) and which moves a value by one or two of 255.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edgebuild.data.images import Bytes

if TYPE_CHECKING:
    from edgebuild.params.data import Image as Wanted

__all__ = ["SUFFIXES", "Unusable", "convert", "decode"]

SUFFIXES = (".png", ".jpg", ".jpeg")
#: How much larger than asked for a picture stays when it is decoded at a fraction.
LEFT = 2
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
KNOWN = {b"GIF8": "GIF", b"BM": "BMP", b"RIFF": "WebP or another RIFF file", b"II*\0": "TIFF", b"MM\0*": "TIFF",
         b"%PDF": "PDF", b"<svg": "SVG", b"<!DO": "HTML", b"<htm": "HTML", b"PK": "a zip archive"}  # fmt: skip


class Unusable(ValueError):
    """A file is no picture that can be used; the message says why, but not which file."""


def decode(file: Path | IO[bytes], to: Wanted) -> Bytes:
    """The picture in ``file``, uint8 ``(height, width, channels)`` as ``to`` asks for.

    Raises:
        Unusable: no PNG or JPEG, or a damaged, truncated or enormous one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library's opinion of a file's metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=("PNG", "JPEG")) as picture:
                # A large JPEG at a fraction of its size: four times as fast for a telephone's photographs.
                enough = LEFT * max(to.height, to.width)
                picture.draft(None, (enough, enough))
                picture.load()
                upright = ImageOps.exif_transpose(picture)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise Unusable(f"more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels; make it smaller") from None
        except UnidentifiedImageError:
            raise Unusable(_what(file)) from None
        except (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error, zlib.error) as error:
            raise Unusable(f"truncated or damaged ({error})") from None
        return convert(upright, to)


def convert(picture: Image.Image, to: Wanted) -> Bytes:
    """``picture`` as uint8 ``(height, width, channels)``."""
    pixels = np.asarray(_fitted(_converted(picture, to.channels), to))
    return np.ascontiguousarray(pixels).reshape(to.height, to.width, to.channels)


def _what(file: Path | IO[bytes]) -> str:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            start = opened.read(16)
    else:
        file.seek(0)
        start = file.read(16)
    if not start:
        return "empty file"
    if start.startswith((b"\x89PNG", b"\xff\xd8")):
        return "truncated or damaged: only its first bytes are those of a picture"
    kind = next((name for magic, name in KNOWN.items() if start.startswith(magic)), None)
    return (
        f"no PNG or JPEG file, but {kind}"
        if kind
        else f"no PNG or JPEG file: it starts with {start[:4].hex(' ')}"
    )


def _converted(picture: Image.Image, channels: int) -> Image.Image:
    if picture.mode.startswith("I"):
        deep = np.clip(np.asarray(picture).astype(np.int64), 0, 65535)
        picture = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if channels < 4 and (picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info):
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, picture.convert("RGBA")).convert("RGB")
    return picture if picture.mode == MODES[channels] else picture.convert(MODES[channels])


def _fitted(picture: Image.Image, to: Wanted) -> Image.Image:
    size, bilinear = (to.width, to.height), Image.Resampling.BILINEAR
    if picture.size == size:
        return picture
    width, height = picture.size
    if to.fit == "stretch":
        return picture.resize(size, bilinear)
    across, down = to.width / width, to.height / height
    if to.fit == "crop":
        scale = max(across, down)
        left, top = (width - to.width / scale) / 2, (height - to.height / scale) / 2
        # A quotient may leave the picture by a rounding error.
        box = (max(0.0, left), max(0.0, top), min(width, width - left), min(height, height - top))
        return picture.resize(size, bilinear, box)
    scale = min(across, down)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = Image.new(picture.mode, size)
    canvas.paste(picture.resize(inner, bilinear), ((to.width - inner[0]) // 2, (to.height - inner[1]) // 2))
    return canvas
