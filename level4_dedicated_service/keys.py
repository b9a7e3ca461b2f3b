"""The two secrets that the halves share: one signs tickets, the other signs callbacks.

Each may be several at once, newest first. So a secret is changed without a moment in which something valid is
refused: README.md says in which order. They come from the environment or from a file, never from the command
line, which every user of the machine may read; and they are no setting, so that no log of the settings shows
them.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.settings import SettingError

SHORTEST: Final = 24
"""Bytes. Standard Webhooks asks for 24 to 64."""

PREFIX: Final = "whsec_"
TICKET_VARIABLE: Final = "UPLOAD_TICKET_SECRETS"
CALLBACK_VARIABLE: Final = "UPLOAD_CALLBACK_SECRETS"
_SEPARATOR: Final = re.compile(r"[\s,]+")


@dataclass(frozen=True)
class Keys:
    """Secrets, newest first; hidden from ``repr``, which ends in logs."""

    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Keys({len(self.secrets)} secrets)"


def load_keys(variable: str, environment: Mapping[str, str], file: str) -> Keys:
    """The secrets in the environment variable, or else in ``file``, one a line.

    Raises:
        SettingError: none at all, an empty or a short one, or a file that cannot be read.
    """
    given = environment.get(variable)
    source = variable if given is not None else file
    if given is None and file:
        try:
            given = Path(file).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{file}: the secrets cannot be read: {error}") from error
    texts = [text for text in _SEPARATOR.split(given or "") if text]
    if not texts:
        missing = f"{source} holds no secret" if source else f"a secret is needed in {variable}"
        raise SettingError(f"{missing}; `openssl rand -base64 32` makes one. Both halves need the same.")
    return Keys(tuple(_decoded(text, source) for text in texts))


def random_secret() -> str:
    """A new secret, in the form that everything here takes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _decoded(text: str, source: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingError(f"{source}: a secret is base64, with or without {PREFIX!r} before it") from error
    if len(secret) < SHORTEST:
        raise SettingError(f"{source}: a secret of {len(secret)} bytes is too short; take {SHORTEST} or more")
    return secret


def oldest_first(keys: Keys) -> Sequence[bytes]:
    """The order that itsdangerous wants: the last one signs."""
    return tuple(reversed(keys.secrets))
