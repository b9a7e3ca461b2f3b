"""Runs cases and says what became of each. The server may do its worst; the suite goes on."""

from __future__ import annotations

import fnmatch
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.conformance.case import MUST, Case, NotApplicable, Violation
from tests.conformance.hooks import HookFailed
from tests.conformance.messages import Exchange, NoAnswer
from tests.conformance.target import Target

LONGEST_CASE: Final = 30.0
"""Seconds. A case that takes longer has failed, whatever it is still waiting for."""


class Outcome(StrEnum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CLAIMED = "not claimed"
    NOT_CHECKED = "not checked"
    NOT_APPLICABLE = "not applicable"
    FAULT = "fault of the suite"


RAN: Final = (Outcome.PASSED, Outcome.FAILED)


@dataclass(frozen=True)
class Result:
    """One case's outcome.

    Attributes:
        expected, actual: set when it failed.
        reason: set when it did not run, or when the suite itself failed.
    """

    case: Case
    outcome: Outcome
    seconds: float = 0.0
    expected: str = ""
    actual: str = ""
    reason: str = ""
    exchanges: tuple[Exchange, ...] = ()


def select(cases: Iterable[Case], patterns: Sequence[str]) -> list[Case]:
    """The cases whose slug or section matches one of the glob patterns; all without patterns."""
    return [
        case
        for case in cases
        if not patterns
        or any(fnmatch.fnmatchcase(case.slug, p) or fnmatch.fnmatchcase(case.section, p) for p in patterns)
    ]


def run(
    cases: Sequence[Case],
    target: Target,
    *,
    workers: int = 4,
    on_result: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Run ``cases`` against ``target``; results in the order of the cases.

    Those that tolerate company run side by side, the others alone afterwards.
    """
    name = secrets.token_hex(4)
    results: dict[str, Result] = {}

    def keep(result: Result) -> None:
        results[result.case.slug] = result
        on_result(result)

    together = [case for case in cases if not case.alone]
    with ThreadPoolExecutor(workers, thread_name_prefix="case") as pool:
        futures = [pool.submit(judge, case, target.for_case(case.slug, name)) for case in together]
        for future in as_completed(futures):
            keep(future.result())
    for case in cases:
        if case.alone:
            keep(judge(case, target.for_case(case.slug, name)))
    return [results[case.slug] for case in cases]


def judge(case: Case, target: Target) -> Result:
    """Run one case, within its time."""
    if case.claim is not None and case.claim not in target.claims:
        return Result(case, Outcome.NOT_CLAIMED, reason=f"the server does not claim {case.claim!r}")
    missing = [name for name in case.needs if not target.hooks.has(name)]
    if missing:
        return Result(case, Outcome.NOT_CHECKED, reason=f"needs the hook {', '.join(missing)}")
    started = time.monotonic()
    verdict: list[Result] = []
    # A thread, because nothing else can be left behind: a server that feeds a case one byte at a time for
    # ever would otherwise hold up the whole run.
    thread = threading.Thread(target=lambda: verdict.append(_verdict(case, target)), daemon=True)
    thread.start()
    thread.join(LONGEST_CASE)
    seconds = time.monotonic() - started
    if not verdict:
        too_long = f"no verdict after {LONGEST_CASE:.0f} seconds"
        result = Result(case, Outcome.FAILED, expected="answers in good time", actual=too_long)
    else:
        result = verdict[0]
    return Result(
        case,
        result.outcome,
        seconds,
        result.expected,
        result.actual,
        result.reason,
        tuple(target.log.exchanges),
    )


def _verdict(case: Case, target: Target) -> Result:
    result = Result(case, Outcome.PASSED)
    try:
        case.check(target)
    except Violation as broken:
        result = Result(case, Outcome.FAILED, expected=broken.expected, actual=broken.actual)
    except NoAnswer as nothing:
        result = Result(case, Outcome.FAILED, expected="an answer", actual=str(nothing))
    except NotApplicable as reason:
        # A server that claims something and cannot be held to it has not kept it; a SHOULD may be open.
        if case.word is MUST:
            result = Result(case, Outcome.FAILED, expected="something to check", actual=str(reason))
        else:
            result = Result(case, Outcome.NOT_APPLICABLE, reason=str(reason))
    except HookFailed as error:
        result = Result(case, Outcome.FAULT, reason=str(error))
    except Exception:  # noqa: BLE001 - a fault of the suite must not be taken for the server's
        result = Result(case, Outcome.FAULT, reason=traceback.format_exc(limit=-4))
    return result


def failed(results: Iterable[Result], *, strict: bool = False) -> Iterator[Result]:
    """The results that count against the server; SHOULD counts only if ``strict``."""
    for result in results:
        if result.outcome is Outcome.FAILED and (strict or result.case.word is MUST):
            yield result


def exit_code(results: Sequence[Result], *, strict: bool = False) -> int:
    """0: something ran and every MUST held. 1: something did not hold. 2: nothing can be said."""
    if any(result.outcome is Outcome.FAULT for result in results):
        return 2
    if not any(result.outcome in RAN for result in results):
        return 2
    return 1 if any(failed(results, strict=strict)) else 0
