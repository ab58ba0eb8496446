"""Vibration of a fan in four states, as an accelerometer on its housing sees it: `python make.py OUT`.

No measurements: the housing is a mass on springs and dampers in three
directions, shaken by the rotor's unbalance, a force ``m e w^2`` that turns with
the shaft (ISO 21940-11 grades it by ``e w``, in mm/s). A loose foot makes the
vertical spring piecewise linear, soft while the foot is lifted and stiff where
its bolt holds it (Chu and Tang 2001, "Stability and non-linear responses of a
rotor-bearing system with pedestal looseness", Journal of Sound and Vibration
241(5)), which gives harmonics and impacts. The equations are integrated by
semi-implicit Euler steps.

OUT/<state>/<recording>.csv with time_s, x_g, y_g, z_g: 400 samples per second
for 5 s. x is horizontal, y vertical (it feels gravity), z along the shaft.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RATE, SECONDS, SETTLING = 400, 5, 2  # samples per second kept; seconds kept and before
STEPS = 8  # of integration per sample
RECORDINGS = 20  # of each state
GRAVITY = 9.81

#: Balance quality e w in mm/s, and the share of the vertical stiffness that a lifted foot has.
STATES = {
    "idle": ((0.0, 0.0), 1.0),
    "balanced": ((2.5, 16.0), 1.0),
    "unbalanced": ((20.0, 80.0), 1.0),
    "loose": ((10.0, 60.0), 0.25),
}


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python make.py OUT")
    out, generator = Path(sys.argv[1]), np.random.Generator(np.random.PCG64(2026))
    for state, (quality, softness) in STATES.items():
        readings = simulate(quality, softness, generator)
        (out / state).mkdir(parents=True, exist_ok=True)
        for number, reading in enumerate(readings):
            rows = np.column_stack([np.arange(len(reading)) / RATE, reading])
            name = out / state / f"{state}{number:02d}.csv"
            np.savetxt(name, rows, "%.4f", ",", header="time_s,x_g,y_g,z_g", comments="")
    print(f"{len(STATES) * RECORDINGS} simulated recordings of {', '.join(STATES)} in {out}")


def simulate(quality: tuple[float, float], softness: float, generator: np.random.Generator) -> Floats:
    """What the sensor reads, float64 ``(recordings, samples, 3)`` in units of gravity."""
    n, step = RECORDINGS, 1 / (RATE * STEPS)
    spin = 2 * np.pi * generator.uniform(18, 28, n)  # rad/s
    force = (
        0.3 * generator.uniform(*quality, n) / 1000 * spin
    )  # of the rotor, 0.3 of the mass, per kg of it all
    natural = 2 * np.pi * generator.uniform((10, 36, 45), (14, 44, 60), (n, 3))  # rad/s: soft, stiff, stiffer
    stiffness, damping = natural**2, 2 * 0.06 * natural
    gap = generator.uniform(0.5, 1.0, n) * force / stiffness[:, 1]  # that the loose bolt leaves, in metres
    angle, place, speed = generator.uniform(0, 2 * np.pi, n), np.zeros((n, 3)), np.zeros((n, 3))
    floor = 2 * np.pi * generator.uniform(11, 17, n)  # of another machine nearby, rad/s
    kept = np.empty((n, RATE * SECONDS, 3))
    shakes = 0.35 * generator.standard_normal((RATE * (SECONDS + SETTLING), n, 3))  # turbulence, m/s²
    if quality[1] == 0:
        shakes *= 0.3
    for sample in range(RATE * (SECONDS + SETTLING)):
        jitter = 1 + 0.004 * generator.standard_normal(n)
        for _ in range(STEPS):
            angle += spin * jitter * step
            turning = np.stack([np.cos(angle), np.sin(angle), 0.2 * np.cos(angle)], axis=1)
            spring = stiffness * place
            lifted, bolt = place[:, 1] > 0, place[:, 1] > gap
            if softness < 1:
                spring[:, 1] *= np.where(lifted & ~bolt, softness, 1.0)
                spring[:, 1] += np.where(bolt, 3 * stiffness[:, 1] * (place[:, 1] - gap), 0.0)
            acceleration = force[:, None] * turning - spring - damping * speed + shakes[sample]
            speed += acceleration * step
            place += speed * step
        if sample >= RATE * SETTLING:
            now = sample / RATE
            kept[:, sample - RATE * SETTLING] = acceleration
            kept[:, sample - RATE * SETTLING, 0] += 0.08 * np.sin(floor * now)
    kept[:, :, 1] += GRAVITY
    tilt = generator.normal(0, 0.06, (n, 3))  # the sensor is never glued on straight, rad
    turned = kept + np.cross(kept, tilt[:, None, :])
    noise = 0.012 * generator.standard_normal(turned.shape)
    return turned / GRAVITY + noise


if __name__ == "__main__":
    main()
