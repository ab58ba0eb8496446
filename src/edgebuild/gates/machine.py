"""Verdicts for machines: JUnit's XML, which CI services show as tests, and JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from edgebuild.gates import rows
from edgebuild.gates.regression import Change
from edgebuild.gates.rows import Row
from edgebuild.gates.verdict import Verdict

__all__ = ["SCHEMA", "document", "junit"]

SCHEMA = 1

#: What XML 1.0 cannot hold, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verdicts: Sequence[Verdict], changes: Sequence[Change], against: str | None, now: datetime) -> str:
    """One testcase a budget, and one a figure compared with ``against``; ends in a newline.

    Valid against the schemas of Jenkins' xUnit plug-in and of Apache Ant, which all
    services read. A failure's message has the figures. What is not proven passes
    and is named in the suite's output; what could not be measured or compared is
    skipped. Nothing here takes time, so all times are 0; ``now`` is in UTC.
    """
    cases = [
        _case(row, "budgets", skipped=verdict.outcome == "not measured")
        for verdict, row in zip(verdicts, map(rows.verdict, verdicts), strict=True)
    ]
    cases += [
        _case(row, f"against {against}", skipped=change.judgement == "not compared")
        for change, row in zip(changes, map(rows.change, changes), strict=True)
    ]
    suite = ElementTree.Element(
        "testsuite",
        name="edgebuild check",
        timestamp=now.strftime("%Y-%m-%dT%H:%M:%S"),
        hostname="localhost",  # the schema wants one, and nothing depends on it
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors="0",
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time="0",
    )
    ElementTree.SubElement(suite, "properties")
    suite.extend(cases)
    doubtful = [
        row.sentence
        for row in (*map(rows.verdict, verdicts), *map(rows.change, changes))
        if not row.good and not row.fails
    ]
    ElementTree.SubElement(suite, "system-out").text = _text("\n".join(doubtful))
    ElementTree.SubElement(suite, "system-err").text = ""
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True).replace("'", '"', 4) + "\n"


def _case(row: Row, kind: str, skipped: bool) -> ElementTree.Element:
    variant, what, *cells, _ = row.cells
    case = ElementTree.Element("testcase", classname=_text(f"{kind}.{variant}"), name=_text(what), time="0")
    message = _text("; ".join(filter(None, [row.sentence, ", ".join(cells)])))
    if row.fails:
        ElementTree.SubElement(case, "failure", message=message, type="budget").text = message
    elif skipped:
        ElementTree.SubElement(case, "skipped")
    return case


def _text(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def document(
    verdicts: Sequence[Verdict], changes: Sequence[Change], against: str | None, failed: bool
) -> str:
    """Everything as one JSON document, numbers unrounded and in the units of params.yaml; ends in a newline."""
    whole = {
        "schema": SCHEMA,
        "failed": failed,
        "budgets": [_entry(verdict) | {"margin": verdict.margin} for verdict in verdicts],
        "against": against,
        "changes": [_entry(change) | {"fails": change.fails} for change in changes],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _entry(of: Verdict | Change) -> dict[str, Any]:
    entry = asdict(of)
    if of.interval is not None:  # JSON has no infinity
        entry["interval"] = [end if math.isfinite(end) else None for end in of.interval]
    return entry
