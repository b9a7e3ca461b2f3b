"""A case: one requirement of the protocol, and the function that finds out whether a server keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.conformance.target import Target

PROTOCOL: Final = "shared/PROTOCOL.md"


class Word(StrEnum):
    """How much the protocol wants it (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"


MUST, SHOULD = Word.MUST, Word.SHOULD

Check = Callable[["Target"], None]
"""Returns when the requirement holds; raises :class:`Violation` when it does not."""


class Violation(AssertionError):
    """The server broke the requirement.

    Args:
        expected, actual: in plain words, for the person who writes the server.
    """

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"expected {expected}; got {actual}")
        self.expected = expected
        self.actual = actual


class NotApplicable(Exception):
    """There is nothing to check within a case's time, such as a bound too far away to be reached.

    Reported with its reason for a SHOULD; for a MUST it is a failure, or claims would be free.
    """


@dataclass(frozen=True)
class Case:
    """One requirement and its check.

    Attributes:
        slug: ``section/name``, as in PROTOCOL.md.
        sentence: the requirement, in the words of PROTOCOL.md or shorter.
        claim: checked only if the server claims it; ``None``: always.
        needs: hooks without which it cannot be seen from outside.
        alone: nothing else may run meanwhile (restarts, floods of connections).
    """

    slug: str
    word: Word
    sentence: str
    check: Check
    claim: str | None = None
    needs: tuple[str, ...] = ()
    alone: bool = False

    @property
    def section(self) -> str:
        """The part of the slug before the slash."""
        return self.slug.partition("/")[0]

    @property
    def link(self) -> str:
        """Where the requirement stands."""
        return f"{PROTOCOL}#{self.slug}"


class Section:
    """The cases of one file, in the order in which they are written.

    Args:
        name: the first half of every slug.
        claim: what a server must claim for these cases to apply.
    """

    def __init__(self, name: str, claim: str | None = None) -> None:
        self.name = name
        self.claim = claim
        self.cases: list[Case] = []

    def case(
        self,
        name: str,
        word: Word,
        sentence: str,
        *,
        claim: str | None = None,
        needs: Iterable[str] = (),
        alone: bool = False,
    ) -> Callable[[Check], Check]:
        """Register the decorated check under ``section/name``."""

        def register(check: Check) -> Check:
            slug = f"{self.name}/{name}"
            if any(case.slug == slug for case in self.cases):
                raise ValueError(f"{slug} is there twice")
            claimed = claim or self.claim
            self.cases.append(Case(slug, word, sentence, check, claimed, tuple(needs), alone))
            return check

        return register
