"""Verdicts for machines: JUnit's XML, which CI services show as tests, and JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from edgebuild.gates.regression import Change
from edgebuild.gates.rows import Checked, Row
from edgebuild.gates.verdict import Verdict

__all__ = ["SCHEMA", "document", "junit"]

SCHEMA = 1
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'

#: What XML 1.0 cannot hold, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(checked: Checked, now: datetime) -> str:
    """One testcase a budget, and one a figure compared with another revision; ends in a newline.

    Valid against the schemas of Jenkins' xUnit plug-in and of Apache Ant, which all
    services read. A failure's message has the figures. What is not proven passes
    and is named in the suite's output; what could not be measured or compared is
    skipped. Nothing here takes time, so all times are 0; ``now`` is in UTC.
    """
    cases = [_case(row, "budgets") for row in checked.budgets]
    cases += [_case(row, f"against {checked.against}") for row in checked.compared]
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
    doubtful = [row.sentence for row in checked.rows if not row.good and not row.fails]
    ElementTree.SubElement(suite, "system-out").text = _text("\n".join(doubtful))
    ElementTree.SubElement(suite, "system-err").text = ""
    ElementTree.indent(suite)
    return f"{DECLARATION}\n{ElementTree.tostring(suite, encoding='unicode')}\n"


def _case(row: Row, kind: str) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname=_text(f"{kind}.{row.variant}"), name=_text(row.what), time="0"
    )
    if row.fails:
        message = _text(row.sentence)
        ElementTree.SubElement(case, "failure", message=message, type="budget").text = message
    elif row.unknown:
        ElementTree.SubElement(case, "skipped")
    return case


def _text(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def document(checked: Checked) -> str:
    """Everything as one JSON document, numbers unrounded and in the units of params.yaml; ends in a newline."""
    whole = {
        "schema": SCHEMA,
        "failed": checked.failed,
        "quality": checked.quality,
        "budgets": [_entry(verdict) | {"margin": verdict.margin} for verdict in checked.verdicts],
        "against": checked.against,
        "changes": [_entry(change) | {"fails": change.fails} for change in checked.changes],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _entry(of: Verdict | Change) -> dict[str, Any]:
    entry = asdict(of)
    if of.interval is not None:  # JSON has no infinity
        entry["interval"] = [end if math.isfinite(end) else None for end in of.interval]
    return entry
