"""The first question: is there a server, and what does it say of itself?"""

from __future__ import annotations

from collections.abc import Mapping

from tests.conformance.hooks import Hooks
from tests.conformance.messages import Address, NoAnswer
from tests.conformance.target import Target


def find_target(address: Address, hooks: Hooks, headers: Mapping[str, str]) -> Target:
    """Ask for the capabilities.

    A server that answers without a usable document is still a server: it claims nothing, and the cases about
    capabilities say what is wrong with it.

    Raises:
        NoAnswer: nobody is there, or not with HTTP.
    """
    silent = Target(address, {}, hooks, headers)
    answer = silent.request("GET", f"{address.prefix}/upload")
    if answer.status >= 500:
        raise NoAnswer(f"GET {address.prefix}/upload is answered {answer.in_words}")
    return Target(address, answer.json, hooks, headers)
