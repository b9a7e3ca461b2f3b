"""Ways to say what was expected, so that a failure reads as a sentence.

expect(answer, status=409, code="offset-mismatch", uploadedBytes=0)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.conformance.case import Violation
from tests.conformance.messages import Answer


def expect(answer: Answer, *, status: int | Iterable[int], code: str | None = None, **members: Any) -> None:
    """Hold an answer to its status, its problem ``code`` and members of its JSON.

    Raises:
        Violation: naming the first thing that differs.
    """
    allowed = [status] if isinstance(status, int) else list(status)
    wanted = " or ".join(map(str, allowed)) + (f" {code}" if code else "")
    if answer.status not in allowed:
        raise Violation(f"{wanted} to {answer.asked}", answer.in_words)
    if code is not None:
        require(
            answer.media_type == "application/problem+json",
            f"a problem document (application/problem+json) with {wanted}",
            f"{answer.status} with Content-Type {answer.header('Content-Type')!r}",
        )
        same(answer.json.get("code"), code, f"the problem's code of {answer.asked}")
    for name, value in members.items():
        same(answer.json.get(name), value, f"{name} in the answer to {answer.asked}")


def same(actual: object, expected: object, what: str) -> None:
    """Hold two values equal; ``True`` and 1 are not.

    Raises:
        Violation
    """
    if actual != expected or isinstance(actual, bool) is not isinstance(expected, bool):
        raise Violation(f"{what} to be {shown(expected)}", shown(actual))


def require(holds: object, expected: str, actual: str) -> None:
    """Hold anything else to be true.

    Raises:
        Violation
    """
    if not holds:
        raise Violation(expected, actual)


def same_bytes(actual: bytes, expected: bytes, what: str) -> None:
    """Hold two bodies equal, and say where they begin to differ.

    Raises:
        Violation
    """
    if actual == expected:
        return
    if len(actual) != len(expected):
        raise Violation(f"{what} of {len(expected):,} bytes", f"{len(actual):,} bytes")
    first = next(i for i, (a, b) in enumerate(zip(actual, expected, strict=True)) if a != b)
    raise Violation(f"{what} byte for byte", f"another byte at {first:,}")


def shown(value: object) -> str:
    """A value, short enough for a line."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 200 else text[:200] + "…"
