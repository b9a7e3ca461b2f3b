"""One line changed: a server that is wrong in one way."""

from __future__ import annotations

from dataclasses import dataclass


class Stale(LookupError):
    """The text to be replaced does not stand exactly once in the source: the mutation proves nothing."""


@dataclass(frozen=True)
class Mutation:
    """A plausible mistake.

    Attributes:
        mistake: in a few words, for the table.
        line: the text to find, within one line of the tiny server, there exactly once.
        replacement: what somebody wrote instead.
        caught_by: the case that must fail.
        ttl: seconds; given where the case waits for a session to expire.
    """

    mistake: str
    line: str
    replacement: str
    caught_by: str
    ttl: float | None = None

    def applied(self, source: str) -> str:
        """``source`` with the mistake in it.

        Raises:
            Stale: the text is not there, or more than once.
            SyntaxError: what comes out is no Python.
        """
        found = source.count(self.line)
        if found != 1 or "\n" in self.line + self.replacement or self.line == self.replacement:
            raise Stale(f"{self.mistake}: {self.line!r} stands {found} times in the tiny server")
        mutated = source.replace(self.line, self.replacement)
        compile(mutated, f"<{self.mistake}>", "exec")
        return mutated
