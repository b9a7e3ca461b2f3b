"""Load goes to this machine, unless somebody says that another one is theirs."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

FLAG = "--remote-is-mine"


class NotYours(Exception):
    """The address is not this machine's, and nobody said that it may be loaded."""


def check(url: str, remote_is_mine: bool) -> None:
    """Let an address pass, or not.

    Raises:
        NotYours: it is not a loopback address and ``remote_is_mine`` is false.
        OSError: the name has no address.
    """
    if remote_is_mine:
        return
    host = urlsplit(url).hostname or ""
    for *_, address in socket.getaddrinfo(host, None):
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
            raise NotYours(
                f"{host} is not this machine. A load test can take a server down, and costs whoever runs it: "
                f"if it is your own, say so with {FLAG}."
            )
