"""Results as one page that needs nothing else: every request and answer of every case, failed ones open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tests.conformance.runner import Outcome, Result, exit_code

TEMPLATES: Final = Path(__file__).parent


def write_html(path: Path, results: Sequence[Result], url: str, *, strict: bool) -> None:
    """Write the page."""
    # Autoescaping, because every word on the page may come from the server under test.
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    counts = Counter(result.outcome for result in results)
    page = templates.get_template("report.html.j2").render(
        url=url,
        verdict=("Conforms", "Does not conform", "Says nothing")[exit_code(results, strict=strict)],
        strict=strict,
        counts=[(outcome, counts[outcome]) for outcome in Outcome if counts[outcome]],
        sections=[(name, list(group)) for name, group in groupby(results, lambda r: r.case.section)],
        failed=Outcome.FAILED,
    )
    path.write_text(page, encoding="utf-8", errors="replace")
