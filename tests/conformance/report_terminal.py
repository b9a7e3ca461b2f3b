"""Results on a terminal: one line a case, and for a failed one what was expected and what came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.conformance.case import Case
from tests.conformance.runner import Outcome, Result, failed

MARKS: Final = {
    Outcome.PASSED: "[green]✓[/]",
    Outcome.FAILED: "[bold red]✗[/]",
    Outcome.NOT_CLAIMED: "[dim]–[/]",
    Outcome.NOT_CHECKED: "[yellow]?[/]",
    Outcome.NOT_APPLICABLE: "[dim]∅[/]",
    Outcome.FAULT: "[bold magenta]![/]",
}


def show_cases(cases: Sequence[Case]) -> None:
    """What would run."""
    console = Console(highlight=False)
    for case in cases:
        console.print(f"{case.slug:34} {case.word:7} {case.sentence}", markup=False, soft_wrap=True)


@contextmanager
def progress(total: int) -> Iterator[Callable[[Result], None]]:
    """A bar on stderr while cases run; nothing where stderr is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("conformance", total=total)
        yield lambda result: bar.update(task, advance=1, description=f"{result.case.slug:32}")


def show_results(results: Sequence[Result], url: str, *, strict: bool) -> None:
    """Everything, section by section, and a summary."""
    console = Console(highlight=False)
    for section, group in groupby(results, key=lambda result: result.case.section):
        console.print(f"\n[bold]{section}[/]")
        for result in group:
            _show(console, result)
    _summarise(console, results, url, strict=strict)


def _show(console: Console, result: Result) -> None:
    case = result.case
    word = "" if case.word == "MUST" else f" [dim]({case.word})[/]"
    console.print(f"  {MARKS[result.outcome]} {case.slug}{word}", soft_wrap=True)
    if result.outcome is Outcome.FAILED:
        console.print(f"      {escape(case.sentence)}", soft_wrap=True)
        console.print(f"      expected  {escape(result.expected)}", soft_wrap=True)
        console.print(f"      got       [red]{escape(result.actual)}[/]", soft_wrap=True)
        console.print(f"      see       {case.link}", soft_wrap=True)
    elif result.reason:
        console.print(f"      [dim]{result.outcome}: {escape(result.reason)}[/]", soft_wrap=True)


def _summarise(console: Console, results: Sequence[Result], url: str, *, strict: bool) -> None:
    counts = Counter(result.outcome for result in results)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    seconds = sum(result.seconds for result in results)
    console.print(f"\n{url}: {told}  ({seconds:.1f} s of cases)", soft_wrap=True)
    broken = list(failed(results, strict=strict))
    if counts[Outcome.FAULT]:
        console.print("[bold magenta]The suite itself had a fault; this run says nothing.[/]")
    elif broken:
        console.print(f"[bold red]Does not conform: {len(broken)} requirement(s) broken.[/]")
    elif counts[Outcome.PASSED]:
        what = "Every requirement" if strict else "Every MUST"
        rest = counts[Outcome.NOT_CLAIMED] + counts[Outcome.NOT_CHECKED]
        note = f" {rest} more were not claimed or not checked." if rest else ""
        console.print(f"[bold green]Conforms.[/] {what} that was checked held.{note}")
    else:
        console.print("[bold red]Nothing ran, so nothing is shown.[/]")
