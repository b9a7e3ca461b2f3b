"""What can be done to a server from outside, by commands that its author gives.

Some requirements show only when the server is killed, stopped, or out of space. A hook is a shell command;
a case that needs one which was not given is listed as not checked.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.conformance.stand_in import StandIn

HOOKS: Final = {
    "restart": "kill the server without warning (SIGKILL) and start it again on the same address and data",
    "stop": "ask the server to leave (SIGTERM); return at once or when it has left",
    "start": "start it again on the same address and data, once it has left",
    "fill": "fill up the disk or quota below the server",
    "free": "make space again",
    "stored": "print how many bytes of uploads the server stores, as a number",
    "away": "take the store or the session database away",
    "back": "bring it back",
}
TIMEOUT: Final = 25.0


class HookFailed(Exception):
    """A hook's command did not succeed: a fault of the set-up, not of the server."""


@dataclass(frozen=True)
class Hooks:
    """The commands given.

    Attributes:
        commands: by name, from :data:`HOOKS`.
        ttl: the server's session lifetime in seconds, when it was started with one short enough to wait for.
        application: where the server's callbacks arrive, when it was started to call the suite.
    """

    commands: Mapping[str, str] = field(default_factory=dict)
    ttl: float | None = None
    application: StandIn | None = None

    def has(self, name: str) -> bool:
        """Whether a case that needs ``name`` can run."""
        if name == "application":
            return self.application is not None
        return self.ttl is not None if name == "ttl" else name in self.commands

    def run(self, name: str) -> str:
        """Carry out a hook, wait for its command, and return what it printed.

        Raises:
            HookFailed: it exited with an error, or hung.
        """
        try:
            done = subprocess.run(
                self.commands[name], shell=True, timeout=TIMEOUT, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise HookFailed(f"the {name} hook did not return within {TIMEOUT:.0f} s") from error
        if done.returncode:
            raise HookFailed(f"the {name} hook exited with {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def stored(self) -> int | None:
        """Bytes that the server stores, or None where nobody told how to find out.

        Raises:
            HookFailed: no number was printed.
        """
        if not self.has("stored"):
            return None
        text = self.run("stored").strip()
        if not text.isdecimal():
            raise HookFailed(f"the stored hook printed no number: {text[:80]!r}")
        return int(text)
