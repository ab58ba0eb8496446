"""edgebuild's files beside those of the vendors' tools: one command, one run, one machine.

python -m bench.compression --help
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import report
from bench.comparison import Result, Settings, run
from bench.networks import NETWORKS, cached
from bench.source import Recipe
from bench.timing import Effort
from edgebuild.compress.ranges import RANGES
from edgebuild.data.split import Split
from edgebuild.errors import DataError, EdgebuildError, UsageError
from edgebuild.json_file import write_json
from edgebuild.measure.latency import host
from edgebuild.measure.table import Table, markdown, show

__all__ = ["document", "main", "page"]

PACKAGES = (
    "ai-edge-litert", "ai-edge-quantizer", "coremltools", "keras", "numpy", "onnx", "onnxruntime", "tensorflow",
    "tf2onnx",
)  # fmt: skip

HELP = """\
Compare edgebuild with TFLiteConverter, AI Edge Quantizer, ONNX Runtime's quantize_static and coremltools:
every tool starts from the same trained Keras model and the same calibration images, and every file is run
on the same test images.

For each network it (1) converts with every tool, in processes that may crash, (2) runs every file on the
test images, Core ML programs by numpy from their bytes, (3) times LiteRT and ONNX files on one thread, in
rounds that visit every file, so that ratios hold on a noisy machine, and (4) checks the targets.
A tool that fails says why in its row; nothing is skipped silently.
"""
EXAMPLES = """\
examples:
  python -m bench.compression                                    all three networks of the built repository
  python -m bench.compression --networks resnet --rounds 9       one network, steadier ratios
  python -m bench.compression --images 500 --rounds 2            a quick look
  python -m bench.compression --json out.json --markdown out.md  keep the results

needs: a built repository (edgebuild run), and the packages of requirements/dev.txt.
exit status: 0 all targets met, 1 some missed or not measured, 2 the command or the data is wrong.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison that the command line asks for."""
    options = _parser().parse_args(arguments)
    try:
        return _compare(options)
    except EdgebuildError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m bench.compression",
        None,
        HELP,
        EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("what is compared").add_argument
    add("--networks", default=",".join(NETWORKS), metavar="A,B", help="some of %(default)s (default: all)")
    add(
        "--resnet",
        type=Path,
        default=Path("models/teacher-keras-fp32.keras"),
        metavar="FILE",
        help="%(default)s",
    )
    add(
        "--ds-cnn",
        type=Path,
        default=Path("models/pruned-keras-fp32.keras"),
        metavar="FILE",
        help="%(default)s",
    )
    add(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="the prepared splits (default: %(default)s)",
    )
    add("--cache", type=Path, default=Path(".edgebuild/bench"), metavar="DIR",
        help="keeps the trained MobileNetV2 (default: %(default)s)")  # fmt: skip
    add("--training-steps", type=_positive, default=860, metavar="N",
        help="batches of 128 to train MobileNetV2 on (default: %(default)s, two epochs of Fashion-MNIST)")  # fmt: skip
    add = parser.add_argument_group("how edgebuild quantizes to int8").add_argument
    add("--ranges", default="minmax", choices=tuple(RANGES), help="of activations (default: %(default)s)")
    add("--percentile", type=float, default=99.99, metavar="P", help="for percentile (default: %(default)s)")
    add("--equalize", action="store_true", help="move weight ranges between layers until they are alike")
    add("--correct-bias", action="store_true", help="put the mean error of each channel into its bias")
    add = parser.add_argument_group("how much is measured").add_argument
    add("--images", type=_positive, metavar="N", help="the first N test images (default: all)")
    add("--coreml-images", type=_positive, default=2000, metavar="N",
        help="of those, for Core ML files, which numpy evaluates (default: %(default)s)")  # fmt: skip
    add("--reference-images", type=_positive, default=2000, metavar="N",
        help="of those, for the integer reference (default: %(default)s)")  # fmt: skip
    add(
        "--rounds", type=_positive, default=5, metavar="N", help="visits of every file (default: %(default)s)"
    )
    add("--runs", type=_positive, default=300, metavar="N", help="timed calls a visit (default: %(default)s)")
    add("--warmup", type=_positive, default=50, metavar="N", help="calls before those (default: %(default)s)")
    add("--minutes", type=float, default=11.0, metavar="N",
        help="fewer rounds, but two, if all would take longer (default: %(default)s)")  # fmt: skip
    add = parser.add_argument_group("where the results go").add_argument
    add("--json", type=Path, metavar="FILE", help="everything, as a document")
    add("--markdown", type=Path, metavar="FILE", help="the tables, with the machine described")
    add("--keep", type=Path, metavar="DIR", help="keep the converted files in this new folder")
    return parser


def _compare(options: argparse.Namespace) -> int:
    settings, start, before = _settings(options), time.monotonic(), _load()
    for file in (options.json, options.markdown):
        if file is not None and not file.parent.is_dir():
            raise UsageError(f"{file} cannot be written: {file.parent} is no folder; make it first")
    results = _in_folder(options.keep, lambda work: run(settings, work, _tell))
    found = document(settings, results, time.monotonic() - start, (before, _load()))
    for shown in _tables(results):
        show(shown)
    if options.json is not None:
        write_json(options.json, found)
    if options.markdown is not None:
        options.markdown.write_text(page(found, results), encoding="utf-8")
    return 0 if all(item.met for result in results for item in result.targets) else 1


def _settings(options: argparse.Namespace) -> Settings:
    names = tuple(dict.fromkeys(options.networks.split(",")))
    if unknown := [name for name in names if name not in NETWORKS]:
        raise UsageError(f"--networks {options.networks}: {unknown[0]!r} is not one of {', '.join(NETWORKS)}")
    available = len(Split.read(options.data / "test.npz"))
    if options.images is not None and options.images > available:
        raise UsageError(
            f"--images {options.images}: the test split has {available}; ask for at most that many"
        )
    paths = {
        "resnet": options.resnet,
        "ds-cnn": options.ds_cnn,
        "mobilenet-v2": cached(options.cache, options.data, options.training_steps),
    }
    for name in names:
        if name != "mobilenet-v2" and not paths[name].is_file():
            raise DataError(
                f"{paths[name]} does not exist; build it with edgebuild run, or name it with --{name}"
            )
    return Settings(
        data=options.data,
        networks={name: paths[name] for name in names},
        images=options.images or available,
        coreml_images=options.coreml_images,
        reference_images=options.reference_images,
        effort=Effort(options.rounds, options.runs, options.warmup, options.minutes),
        training_steps=options.training_steps,
        recipe=Recipe(options.ranges, options.percentile, options.equalize, options.correct_bias),
        parallel=min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2, 4),
    )


def document(
    settings: Settings, results: Sequence[Result], seconds: float, load: tuple[float | None, float | None]
) -> dict[str, Any]:
    """The whole comparison as JSON has it."""
    chosen = {
        key: value for key, value in asdict(settings).items() if key not in ("data", "networks", "parallel")
    }
    return {
        "schema": 1,
        "host": {**host(PACKAGES), "load_before": load[0], "load_after": load[1]},
        "settings": chosen,
        "seconds": round(seconds, 1),
        "networks": [asdict(result) for result in results],
    }


def page(found: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The comparison as a Markdown page."""
    machine, effort = found["host"], found["settings"]["effort"]
    recipe = _said(found["settings"]["recipe"])
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in machine["packages"].items())
    lines = [
        "# edgebuild beside the vendors' tools",
        "",
        f"{machine['cpu']}, {machine['usable_cores']} cores, {machine['os']}, Python {machine['python']}; load "
        f"{machine['load_before']} before and {machine['load_after']} after. One thread, {effort['rounds']} rounds of "
        f"{effort['runs']} calls; {found['seconds']:.0f} s in all. Ours in int8: {recipe}. {versions}.",
        "",
    ]
    return "\n".join(lines) + "\n" + "\n".join(markdown(shown) for shown in _tables(results))


def _said(recipe: Mapping[str, Any]) -> str:
    extras = [name.replace("_", " ") for name in ("equalize", "correct_bias") if recipe[name]]
    return ", ".join([f"{recipe['ranges']} ranges", *extras])


def _tables(results: Sequence[Result]) -> list[Table]:
    return [
        *(report.files(result.network, result.rows, result.about) for result in results),
        report.pairs([pair for result in results for pair in result.pairs]),
        report.targets([item for result in results for item in result.targets]),
    ]


def _in_folder(keep: Path | None, work: Callable[[Path], list[Result]]) -> list[Result]:
    if keep is None:
        with tempfile.TemporaryDirectory() as folder:
            return work(Path(folder))
    if keep.exists():
        raise UsageError(f"--keep {keep}: it must be a new folder, but it exists; name another")
    keep.mkdir(parents=True)
    return work(keep)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, at least 1")
    return int(text)


def _load() -> float | None:
    """Processes that waited for a core during the last minute, on average."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
