"""The CPU class: what of a processor changes bits, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgebuild.build.environment import cpu

AVX2 = "fpu sse sse2 sse4_1 sse4_2 avx fma avx2"
AVX512 = f"{AVX2} avx512f avx512bw avx512vl avx512dq"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux machine whose /proc/cpuinfo and caches are files of the returned folder."""
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", "6", "#1", "x86_64")))
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(cpu, "CACHES", tmp_path / "caches")
    for index, (level, kind, size) in enumerate(
        [
            ("1", "Data", "48K"),
            ("1", "Instruction", "32K"),
            ("2", "Unified", "1024K"),
            ("3", "Unified", "32M"),
        ]
    ):
        folder = tmp_path / "caches" / f"index{index}"
        folder.mkdir(parents=True)
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{text}\n")
    return tmp_path


def x86(machine: Path, flags: str, **environ: str) -> str:
    core = f"vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2596.124\nflags\t\t: {flags}\n\n"
    (machine / "cpuinfo").write_text(core * 2)
    return cpu.cpu_class(environ)


@pytest.mark.parametrize(
    ("flags", "best"),
    [
        ("fpu sse2", "no_sse41"),
        ("fpu sse2 sse4_1", "sse41"),
        ("fpu sse4_1 avx avx2", "avx"),  # without fma
        (AVX2, "avx2"),
        (f"{AVX2} avx_vnni", "avx2_vnni"),
        (f"{AVX2} avx512f", "avx2"),  # without its relatives
        (AVX512, "avx512_core"),
        (f"{AVX512} avx512_vnni", "avx512_core_vnni"),
        (f"{AVX512} avx512_bf16", "avx512_core"),  # a hypervisor that hides what lies between
        (f"{AVX512} avx512_vnni avx512_bf16 avx_vnni", "avx512_core_bf16"),
    ],
)
def test_the_best_instruction_set_with_all_that_it_builds_on_counts(
    flags: str, best: str, machine: Path
) -> None:
    assert x86(machine, flags) == f"x86_64 AuthenticAMD {best} l1d=48K l2=1024K"


def test_a_cap_on_onednn_makes_another_class_and_hides_nothing(machine: Path) -> None:
    assert x86(machine, AVX512, ONEDNN_MAX_CPU_ISA="AVX2") == (
        "x86_64 AuthenticAMD avx512_core onednn<=avx2 l1d=48K l2=1024K"
    )


@pytest.mark.parametrize("cap", ["", "ALL", "DEFAULT", "AVX2", "AVX512_CORE", "NONSENSE"])
def test_a_cap_that_takes_nothing_away_is_none(cap: str, machine: Path) -> None:
    assert x86(machine, AVX2, ONEDNN_MAX_CPU_ISA=cap) == x86(machine, AVX2)


def test_an_arm_processor_is_named_by_its_part_and_extensions(machine: Path) -> None:
    (machine / "cpuinfo").write_text(
        "processor\t: 0\nFeatures\t: fp asimd crc32 asimddp sve i8mm\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"
    )
    assert cpu.cpu_class({}).split()[1:3] == ["0x41:0xd40", "asimd+asimddp+i8mm+sve"]


def test_what_the_system_does_not_tell_is_called_unknown(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "CACHES", machine / "hidden")
    assert x86(machine, AVX2).endswith("avx2 l1d=unknown l2=unknown")
    (machine / "cpuinfo").write_text("processor : 0\n")
    assert cpu.cpu_class({}) == "x86_64 unknown l1d=unknown l2=unknown"
    (machine / "cpuinfo").unlink()
    assert cpu.cpu_class({}) == "x86_64 unknown"


def test_a_mac_is_named_by_its_brand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Darwin", "host", "24", "#1", "arm64")))
    monkeypatch.setattr(cpu.subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": "Apple M2\n"}))
    assert cpu.cpu_class({}) == "arm64 Apple_M2"


def test_this_machine_has_a_class() -> None:
    assert cpu.cpu_class({}) == cpu.cpu_class({})
    assert cpu.cpu_class({}).startswith(os.uname().machine)
