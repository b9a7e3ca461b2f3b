"""What the moody server does to a request instead of answering it well."""

from __future__ import annotations

from tests.moody_server import Handler, Mishap


def answer(status: int, body: object = None, **headers: str) -> Mishap:
    """Answer this instead, without reading the request's body."""

    def act(handler: Handler) -> bool:
        handler.close_connection = True
        handler.reply(status, body, **{name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return act


def raw(text: bytes) -> Mishap:
    """These bytes as a 200 answer's body, whatever they are."""

    def act(handler: Handler) -> bool:
        handler.read_body()
        handler.reply_bytes(200, text, {"Content-Type": "text/html"})
        return True

    return act


def cut(after: int = 0) -> Mishap:
    """Read ``after`` bytes of the body, then reset the connection."""

    def act(handler: Handler) -> bool:
        handler.rfile.read(after)
        handler.reset()
        return True

    return act


def lose_answer(handler: Handler) -> bool:
    """Do everything, then reset instead of answering."""
    handler.muted = True
    handler.dispatch()
    handler.reset()
    return True


def forget_everything(handler: Handler) -> bool:
    """As after a restart of a server that keeps its sessions in memory."""
    handler.moody.uploads.clear()
    return False
