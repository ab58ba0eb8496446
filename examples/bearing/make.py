"""The sound of a fan, sound and with three faults, for anomaly detection: `python make.py OUT`.

No recordings: hum of the motor, tones of the blades and the noise of the air are
added up, and the faults follow the models of vibration analysis. A damaged
bearing knocks whenever a ball meets the damage, ``balls / 2 (1 -+ d / D) f``
times a second on the outer and the inner ring, and each knock rings at a
resonance of the housing (McFadden and Smith 1984, "Model for the vibration
produced by a single point defect in a rolling element bearing", Journal of Sound
and Vibration 96(1)); balls slip, so the knocks are not quite regular (Antoni and
Randall 2003, "A stochastic model for simulation and diagnostics of rolling
element bearings with localized faults", Journal of Vibration and Acoustics
125(3)). An unbalanced rotor shows at the frequency of its shaft.

The setting is that of MLPerf Tiny's anomaly detection: networks see normal
sounds only; faults, weak ones among them, are for the test.

OUT/<normal, outer_race, inner_race or imbalance>/<recording>.wav: 4 s at 16 kHz.
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RATE, SECONDS = 16_000, 4
RECORDINGS = {"normal": 150, "outer_race": 12, "inner_race": 12, "imbalance": 12}
BALLS, RATIO = 9, 0.24  # of the bearing: how many, and their diameter as a share of the pitch circle's


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python make.py OUT")
    out, generator = Path(sys.argv[1]), np.random.Generator(np.random.PCG64(2026))
    for condition, count in RECORDINGS.items():
        (out / condition).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            codes = np.rint(np.clip(sound(condition, generator), -1, 1) * 32_767).astype("<i2")
            with wave.open(str(out / condition / f"{condition}{number:03d}.wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes(codes.tobytes())
    print(f"{sum(RECORDINGS.values())} simulated recordings, {RECORDINGS['normal']} of them normal, in {out}")


def sound(condition: str, generator: np.random.Generator) -> Floats:
    """One recording, float64 ``(RATE * SECONDS,)`` with a full scale of 1."""
    samples = RATE * SECONDS
    time = np.arange(samples) / RATE
    shaft = generator.uniform(23, 27)  # Hz: the load varies
    wander = 0.003 * np.cumsum(generator.standard_normal(samples)) / np.sqrt(RATE)
    turns = shaft * (time + np.cumsum(wander) / RATE)
    result = 0.05 * np.sin(2 * np.pi * 100 * time + generator.uniform(0, 6))  # the motor: twice 50 Hz
    for order, level in ((1, 0.03), (2, 0.015), (7, 0.06), (14, 0.03), (21, 0.02), (28, 0.01)):  # 7 blades
        level *= 10 ** (generator.normal(0, 1.5) / 20)
        swell = 1 + 0.2 * np.sin(2 * np.pi * turns + generator.uniform(0, 6))
        result += level * swell * np.sin(2 * np.pi * order * turns + generator.uniform(0, 6))
    result += 0.08 * 10 ** (generator.normal(0, 1.5) / 20) * _air(samples, generator)
    severity = 10 ** (generator.uniform(-18, 0) / 20)
    if condition == "outer_race":
        rate = BALLS / 2 * (1 - RATIO) * shaft
        result += 0.35 * severity * _knocks(rate, 0.0, shaft, samples, generator)
    elif condition == "inner_race":  # it turns through the loaded zone, so its knocks swell and fade
        rate = BALLS / 2 * (1 + RATIO) * shaft
        result += 0.40 * severity * _knocks(rate, 1.0, shaft, samples, generator)
    elif condition == "imbalance":
        result += 0.60 * severity * np.sin(2 * np.pi * turns) + 0.15 * severity * np.sin(4 * np.pi * turns)
    return 0.8 * result * 10 ** (generator.normal(0, 0.5) / 20)


def _knocks(rate: float, swell: float, shaft: float, samples: int, generator: np.random.Generator) -> Floats:
    """Impacts ``rate`` times a second, each ringing at about 3.2 kHz for a few milliseconds."""
    count = int(rate * samples / RATE * 1.1)
    times = np.cumsum(generator.normal(1, 0.02, count)) / rate
    times = times[times < (samples - 1) / RATE]
    strength = generator.uniform(0.7, 1.3, len(times)) * (1 + swell * np.cos(2 * np.pi * shaft * times))
    impulses = np.zeros(samples)
    np.add.at(impulses, (times * RATE).astype(np.int64), strength)
    ring = np.arange(RATE // 50) / RATE
    ringing = np.exp(-ring * 900) * np.sin(2 * np.pi * generator.uniform(3000, 3400) * ring)
    size = samples + len(ring)
    return np.fft.irfft(np.fft.rfft(impulses, size) * np.fft.rfft(ringing, size), size)[:samples]


def _air(samples: int, generator: np.random.Generator) -> Floats:
    """Noise of the flow, standard deviation 1: flat up to 400 Hz, then falling with f^-1.5 in amplitude."""
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    spectrum = np.fft.rfft(generator.standard_normal(samples)) / (1 + (frequency / 400) ** 1.5)
    noise = np.fft.irfft(spectrum, samples)
    return noise / noise.std()


if __name__ == "__main__":
    main()
