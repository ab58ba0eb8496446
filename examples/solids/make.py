"""Rendered photographs of three solids, as a folder of RGB images: `python make.py OUT`.

A ball, a box or a cone stands on a table in front of a wall, lit by a lamp;
each picture traces one ray per pixel (the ball and the cone by their
quadratics, the box by its slabs: Kay and Kajiya 1986, "Ray tracing complex
scenes"), shades by Phong's model (1975, "Illumination for computer generated
pictures") and casts a shadow. Table, wall and a fifth of the solids carry pieces of
the two photographs that scikit-learn ships (china.jpg, by Yuan Zhang, and
flower.jpg, by dany13), so that colour and texture say nothing about the class.
The camera adds noise, exposure and a cast of colour; sizes are odd, files are
PNG and JPEG.

OUT/<ball, box or cone>/<n>.png or .jpg
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float64]

SOLIDS = ("ball", "box", "cone")
IMAGES = 400  # of each solid
FAR = np.inf  # the distance of what a ray does not meet


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python make.py OUT")
    out, generator = Path(sys.argv[1]), np.random.Generator(np.random.PCG64(2026))
    folder = files("sklearn.datasets") / "images"
    photos = [np.asarray(Image.open(folder / name), np.float64) / 255 for name in ("china.jpg", "flower.jpg")]
    for solid in SOLIDS:
        (out / solid).mkdir(parents=True, exist_ok=True)
        for number in range(IMAGES):
            image = Image.fromarray(photograph(solid, photos, generator))
            if number % 3:
                image.save(out / solid / f"{number:03d}.jpg", quality=int(generator.integers(70, 95)))
            else:
                image.save(out / solid / f"{number:03d}.png")
    print(f"{len(SOLIDS) * IMAGES} rendered images of {', '.join(SOLIDS)} in {out}")


def photograph(solid: str, photos: list[Floats], generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    """uint8 ``(height, width, 3)``, 72 to 120 pixels a side."""
    height, width = generator.integers(72, 121, 2)
    eye = np.array([0.0, -generator.uniform(4.0, 5.5), generator.uniform(1.4, 3.0)])
    aim = np.array([generator.uniform(-0.3, 0.3), 0.0, generator.uniform(0.5, 0.9)])
    rays = _rays(eye, aim, height, width, generator.uniform(0.4, 0.5))
    size, yaw = generator.uniform(0.75, 1.0), generator.uniform(0, np.pi)
    shape = generator.uniform(0.7, 1.3, 3) * size  # half sides of a box, radius and half height of the others
    lamp = np.array([generator.uniform(-4, 4), generator.uniform(-5, 0), generator.uniform(3, 6)])
    depth = generator.uniform(2.0, 4.0)  # of the wall behind the solid

    distance, normal = _meet(solid, shape, yaw, eye, rays)
    table = np.where(rays[:, 2] < 0, -eye[2] / np.minimum(rays[:, 2], -1e-9), FAR)
    wall = (depth - eye[1]) / np.maximum(rays[:, 1], 1e-9)
    on_solid = distance < np.minimum(table, wall)
    on_table = ~on_solid & (table < wall)
    nearest = np.minimum(np.minimum(distance, table), wall)
    point = eye + rays * nearest[:, None]
    normal[on_table], normal[~on_solid & ~on_table] = (0, 0, 1), (0, -1, 0)

    plain = np.broadcast_to(generator.uniform(0.25, 0.95, 3), point.shape)
    textures = [_texture(photos, generator, blur) for blur in (0, 8, 16)]
    skin = plain if generator.random() < 0.8 else _look(textures[0], point[:, 0] + point[:, 1], point[:, 2])
    colour = np.where(
        on_solid[:, None],
        skin,
        np.where(
            on_table[:, None],
            _look(textures[1], point[:, 0], point[:, 1]),
            _look(textures[2], point[:, 0], point[:, 2]),
        ),
    )
    to_lamp = lamp - point
    reach = np.linalg.norm(to_lamp, axis=1)
    to_lamp /= reach[:, None]
    facing = np.maximum(0, (normal * to_lamp).sum(axis=1))
    shadow = _meet(solid, shape, yaw, point + 1e-3 * normal, to_lamp)[0] < reach
    facing = np.where(shadow, 0.0, facing)
    mirrored = 2 * facing[:, None] * normal - to_lamp
    gloss = generator.uniform(0, 0.6) * np.maximum(0, -(mirrored * rays).sum(axis=1)) ** 30 * on_solid
    ambient = generator.uniform(0.35, 0.55)
    light = colour * (ambient + (1 - ambient) * facing)[:, None] + (gloss * (facing > 0))[:, None]
    light *= generator.uniform(0.8, 1.4) * generator.uniform(0.9, 1.1, 3)  # exposure, and the lamp's colour
    light += generator.uniform(0.01, 0.04) * generator.standard_normal(light.shape)
    return np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8).reshape(height, width, 3)


def _rays(eye: Floats, aim: Floats, height: int, width: int, spread: float) -> Floats:
    """Unit vectors ``(height * width, 3)`` from the eye through the pixels, row by row."""
    ahead = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(ahead, (0, 0, 1))
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    side = max(height, width) / 2
    y, x = np.mgrid[0:height, 0:width]
    across, along = (x - width / 2 + 0.5) / side, (y - height / 2 + 0.5) / side
    rays = ahead + spread * (across[..., None] * right + along[..., None] * down)
    rays = rays.reshape(-1, 3)
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


def _meet(solid: str, shape: Floats, yaw: float, start: Floats, rays: Floats) -> tuple[Floats, Floats]:
    """How far each ray goes until it meets the solid on the table, ``(n,)``, and the normal there, ``(n, 3)``."""
    turn = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    high = {"ball": shape[0], "box": shape[2], "cone": 1.3 * shape[2]}[solid]  # of the centre above the table
    start = np.broadcast_to((start - (0, 0, high)) @ turn.T, rays.shape)
    rays = rays @ turn.T
    with np.errstate(divide="ignore", invalid="ignore"):
        if solid == "box":
            distance, normal = _slabs(shape, start, rays)
        elif solid == "ball":
            distance = _quadratic(start, rays, shape[0])
            normal = (start + rays * distance[:, None]) / shape[0]
        else:
            distance, normal = _cone(shape[0], 1.3 * shape[2], start, rays)
    return distance, np.where(np.isfinite(distance)[:, None], normal, 0.0) @ turn


def _quadratic(start: Floats, rays: Floats, radius: float) -> Floats:
    """The first positive root of ``|start + t ray| = radius``, or FAR."""
    a, b = (rays**2).sum(axis=1), (start * rays).sum(axis=1)
    root = b**2 - a * ((start**2).sum(axis=1) - radius**2)
    first = (-b - np.sqrt(np.maximum(root, 0))) / a
    return np.where((root > 0) & (first > 0), first, FAR)


def _slabs(half: Floats, start: Floats, rays: Floats) -> tuple[Floats, Floats]:
    one, other = (-half - start) / rays, (half - start) / rays
    enter, leave = np.minimum(one, other), np.maximum(one, other)
    axis, first = enter.argmax(axis=1), enter.max(axis=1)
    distance = np.where((first < leave.min(axis=1)) & (first > 0), first, FAR)
    normal = np.zeros_like(rays)
    rows = np.arange(len(rays))
    normal[rows, axis] = -np.sign(rays[rows, axis])
    return distance, normal


def _cone(radius: float, half: float, start: Floats, rays: Floats) -> tuple[Floats, Floats]:
    """Of ``x² + y² = (slope (half - z))²``; the base is never seen from above."""
    slope = (radius / (2 * half)) ** 2
    weights = np.array([1.0, 1.0, -slope])
    below = start - (0, 0, half)  # seen from the tip
    a, b, c = ((u * v * weights).sum(axis=1) for u, v in ((rays, rays), (below, rays), (below, below)))
    root = np.sqrt(np.where(b**2 > a * c, b**2 - a * c, np.nan))
    distance = np.full(len(rays), FAR)
    for t in ((-b - root) / a, (-b + root) / a):
        height = start[:, 2] + rays[:, 2] * t
        distance = np.where((np.abs(height) < half) & (t > 0) & (t < distance), t, distance)
    normal = (below + rays * distance[:, None]) * weights
    return distance, normal / np.linalg.norm(normal, axis=1, keepdims=True)


def _texture(photos: list[Floats], generator: np.random.Generator, blur: int) -> Floats:
    """A piece of a photograph, 160 pixels a side; what is out of focus is blurred and paler."""
    photo = photos[generator.integers(len(photos))]
    y, x = (int(generator.integers(0, size - 160)) for size in photo.shape[:2])
    piece = photo[y : y + 160, x : x + 160]
    if not blur:
        return piece
    small = piece.reshape(160 // blur, blur, 160 // blur, blur, 3).mean(axis=(1, 3))
    soft = np.asarray(Image.fromarray(np.uint8(255 * small)).resize((160, 160)), np.float64) / 255
    return 0.5 * soft + 0.5 * soft.mean(axis=(0, 1))


def _look(texture: Floats, u: Floats, v: Floats) -> Floats:
    """The colours at ``u`` and ``v`` of a texture 4 units wide, which is mirrored at its edges."""
    y, x = (np.floor(np.abs((place * 40 + 160) % 320 - 160)).astype(np.int64) % 160 for place in (v, u))
    return texture[y, x]


if __name__ == "__main__":
    main()
