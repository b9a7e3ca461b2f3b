"""What a server has, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from shared.uploader.api import ask_capabilities, upload_address
from shared.uploader.errors import Interrupted
from shared.uploader.http import Http
from shared.uploader.observer import Observer
from shared.uploader.retry import Patience, RetryRules, Timing
from shared.uploader.wire import RemoteFile, file_from

PAGE: Final = 100
"""Files asked for at once."""


def list_files(
    server: str,
    *,
    observer: Observer | None = None,
    rules: RetryRules | None = None,
    timing: Timing | None = None,
    http: Http | None = None,
) -> Iterator[RemoteFile]:
    """Every file, newest first, however many pages that takes.

    Raises:
        ServerRefused: the server does not show its files.
        ServerAway: it cannot be reached, or a page stays unreadable.
    """
    http = http or Http()
    patience = Patience(rules or RetryRules(), timing or Timing(), (observer or Observer()).on_retry)
    own = upload_address(server)
    address = patience.until_done(lambda: ask_capabilities(http, own)).files
    cursor: str | None = None
    seen: set[str] = set()
    while True:
        query = {"limit": PAGE} if cursor is None else {"limit": PAGE, "after": cursor}
        page = _patient_page(patience, http, f"{address}?{urlencode(query)}")
        yield from page.files
        if page.next is None or page.next in seen:  # a cursor that comes back would go on for ever
            return
        cursor = page.next
        seen.add(cursor)


@dataclass(frozen=True)
class _Page:
    files: tuple[RemoteFile, ...]
    next: str | None


def _patient_page(patience: Patience, http: Http, address: str) -> _Page:
    page = patience.until_done(lambda: _page(http, address))
    patience.progress()
    return page


def _page(http: Http, address: str) -> _Page:
    body = http.ask("GET", address).body
    files, cursor = body.get("files"), body.get("next")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise Interrupted("the server's answer lacks files; is this an upload server?")
    return _Page(tuple(file_from(file) for file in files), cursor if isinstance(cursor, str) else None)
