"""The CPU class: what of a processor changes the bits that kernels compute.

A sum in another order is another sum, and kernels choose the order by

- the vector instructions: oneDNN compiles for the best set that it finds, or for
  the one that ONEDNN_MAX_CPU_ISA caps it at, which caps no other library
  (https://oneapi-src.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html);
- the vendor, and on Arm the part: OpenBLAS has kernels by microarchitecture;
- the cache sizes of a core: Eigen and oneDNN block a product so that its parts fit.

Bits are promised within a class, and across classes only closeness. A fact that
the system does not tell is "unknown", which equals only itself.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["cpu_class"]

CPUINFO = Path("/proc/cpuinfo")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
#: oneDNN's instruction sets, worst first, with the flags of /proc/cpuinfo that each needs beyond those before it
X86 = {
    "sse41": {"sse4_1"},
    "avx": {"avx"},
    "avx2": {"avx2", "fma"},
    "avx2_vnni": {"avx_vnni"},
    "avx2_vnni_2": {"avx_vnni_int8", "avx_ne_convert"},
    "avx512_core": {"avx512f", "avx512bw", "avx512vl", "avx512dq"},
    "avx512_core_vnni": {"avx512_vnni"},
    "avx512_core_bf16": {"avx512_bf16"},
    "avx512_core_fp16": {"avx512_fp16"},
    "avx512_core_amx": {"amx_tile", "amx_int8", "amx_bf16"},
    "avx512_core_amx_fp16": {"amx_fp16"},
}
#: the sets that are no step to the next one: a processor may have what follows without them
ASIDE = ("avx2_vnni", "avx2_vnni_2")
ARM = ("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "svei8mm", "svebf16", "sve2", "sme")
CAP = "ONEDNN_MAX_CPU_ISA"
UNKNOWN = "unknown"


def cpu_class(environ: Mapping[str, str]) -> str:
    """This machine's class, such as ``x86_64 AuthenticAMD avx512_core_bf16 l1d=48K l2=1024K``.

    ``environ`` is that of the stages: a cap on oneDNN's instructions makes another class.
    """
    machine = os.uname().machine
    if os.uname().sysname == "Darwin":
        parts = _mac()
    elif CPUINFO.is_file():
        parts = [*_linux(CPUINFO.read_text(encoding="utf-8", errors="replace")), *_caches(CACHES)]
    else:
        parts = [UNKNOWN]
    found = next((name for name in reversed(X86) if name in parts), None)
    cap = environ.get(CAP, "").lower()
    order = list(X86)
    if found and cap in X86 and order.index(cap) < order.index(found):
        parts.insert(parts.index(found) + 1, f"onednn<={cap}")
    return " ".join([machine, *parts])


def _linux(cpuinfo: str) -> list[str]:
    """Vendor and instruction set, from the text of /proc/cpuinfo.

    The best set counts of which all flags are there; of Arm's extensions all that there are.
    """
    facts = {
        key: value.strip() for key, value in re.findall(r"^([^\t:]+?)\s*:(.*)$", cpuinfo, flags=re.MULTILINE)
    }
    if "flags" in facts:
        flags = set(facts["flags"].split())
        best = "no_sse41"
        for name, needed in X86.items():
            if needed <= flags:
                best = name
            elif name not in ASIDE:
                break
        return [facts.get("vendor_id", UNKNOWN), best]
    if "Features" in facts:
        features = set(facts["Features"].split())
        part = f"{facts.get('CPU implementer', UNKNOWN)}:{facts.get('CPU part', UNKNOWN)}"
        return [part, "+".join(name for name in ARM if name in features)]
    return [UNKNOWN]


def _caches(folder: Path) -> list[str]:
    """The sizes of the first core's own caches, from the folder that Linux describes them in."""
    sizes = {"l1d": UNKNOWN, "l2": UNKNOWN}
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text(encoding="utf-8").strip() for name in ("level", "type", "size")
            )
        except OSError:  # a container may hide a part of it
            continue
        if kind != "Instruction":
            name = "l1d" if level == "1" else f"l{level}"
            if name in sizes:
                sizes[name] = size
    return [f"{name}={size}" for name, size in sizes.items()]


def _mac() -> list[str]:
    """The brand, such as Apple_M2: Apple makes one design under one name."""
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            check=True, capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return [UNKNOWN]
    return [done.stdout.strip().replace(" ", "_") or UNKNOWN]
