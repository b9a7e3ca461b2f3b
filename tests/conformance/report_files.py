"""Results for machines: JUnit for continuous integration, JSON for everything else."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conformance.runner import Outcome, Result, exit_code


def write_junit(path: Path, results: Sequence[Result]) -> None:
    """One test case a requirement; what did not run is marked skipped, with the reason."""
    counts = Counter(result.outcome for result in results)
    suite = ET.Element(
        "testsuite",
        name="conformance",
        tests=str(len(results)),
        failures=str(counts[Outcome.FAILED]),
        errors=str(counts[Outcome.FAULT]),
        skipped=str(len(results) - counts[Outcome.FAILED] - counts[Outcome.FAULT] - counts[Outcome.PASSED]),
    )
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"conformance.{result.case.section}",
            name=result.case.slug,
            time=f"{result.seconds:.3f}",
        )
        match result.outcome:
            case Outcome.PASSED:
                continue
            case Outcome.FAILED:
                message = _clean(f"expected {result.expected}; got {result.actual}")
                failure = ET.SubElement(case, "failure", message=message, type=result.case.word)
                failure.text = _clean(f"{result.case.sentence}\n{result.case.link}")
            case Outcome.FAULT:
                ET.SubElement(case, "error", message="fault of the suite").text = _clean(result.reason)
            case _:
                ET.SubElement(case, "skipped", message=_clean(f"{result.outcome}: {result.reason}"))
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def write_json(
    path: Path, results: Sequence[Result], url: str, capabilities: Mapping[str, Any], *, strict: bool
) -> None:
    """Every result with its reason, and the whole run's verdict."""
    document = {
        "url": url,
        "strict": strict,
        "exitCode": exit_code(results, strict=strict),
        "capabilities": capabilities,
        "summary": Counter(result.outcome for result in results),
        "results": [
            {
                "slug": result.case.slug,
                "word": result.case.word,
                "sentence": result.case.sentence,
                "outcome": result.outcome,
                "seconds": round(result.seconds, 3),
                **({"expected": result.expected, "actual": result.actual} if result.expected else {}),
                **({"reason": result.reason} if result.reason else {}),
            }
            for result in results
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _clean(text: str) -> str:
    """Without the control characters that XML cannot carry; a hostile server's words end up here."""
    return "".join(c if c in "\t\n" or (c >= " " and not 0xD800 <= ord(c) <= 0xDFFF) else "�" for c in text)
