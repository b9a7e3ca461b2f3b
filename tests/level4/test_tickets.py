"""Secrets and tickets by themselves: what is taken, what is refused, and how a secret is changed."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest

from level4_dedicated_service.keys import Keys, load_keys, random_secret
from level4_dedicated_service.tickets import LONGEST_LIFE, Tickets
from shared.admission import Admission
from shared.errors import FileTooLarge, Unauthorized
from shared.settings import SettingError
from shared.uploads import NewUpload
from tests.servers import COMMAND

ANN: Final = Admission("ann", 1000, 5000)
OLD, NEW = Keys((b"o" * 32,)), Keys((b"n" * 32,))
BOTH: Final = Keys((*NEW.secrets, *OLD.secrets))


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_says_what_it_admits_for_as_long_as_it_says() -> None:
    clock = Clock()
    tickets = Tickets(OLD, 900.0, clock)
    issued = tickets.issue(ANN)
    assert issued.expires_at == clock.now + 900
    assert tickets.verify(issued.text) == ANN
    clock.now += 899.9
    assert tickets.verify(issued.text) == ANN
    clock.now += 0.1
    with pytest.raises(Unauthorized):
        tickets.verify(issued.text)


def test_no_ticket_lives_longer_than_a_day_whoever_signed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = Tickets(OLD, 10.0 * LONGEST_LIFE)
    text = tickets.issue(ANN).text
    assert tickets.verify(text) == ANN
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + LONGEST_LIFE + 5)
    with pytest.raises(Unauthorized):
        tickets.verify(text)


def test_every_changed_character_is_noticed() -> None:
    tickets = Tickets(OLD, 900.0)
    text = tickets.issue(ANN).text
    for at in range(len(text) - 1):  # the last one holds bits that mean nothing in base64
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(Unauthorized):
            tickets.verify(changed)


def test_a_secret_is_changed_without_a_moment_in_which_tickets_fail() -> None:
    before, changing, after = (Tickets(keys, 900.0) for keys in (OLD, BOTH, NEW))
    assert changing.verify(before.issue(ANN).text) == ANN, "the service knows the new one first"
    assert after.verify(changing.issue(ANN).text) == ANN, "the newest signs"
    with pytest.raises(Unauthorized):
        after.verify(before.issue(ANN).text)


def test_an_admission_bounds_the_upload() -> None:
    admitted = ANN.admit(NewUpload("a.bin", 1000))
    assert (admitted.owner, admitted.quota) == ("ann", 5000)
    with pytest.raises(FileTooLarge):
        ANN.admit(NewUpload("a.bin", 1001))


@pytest.mark.parametrize(
    "given",
    ["", " ", ",", "short", "c2hvcnQ=", "whsec_c2hvcnQ=", "no base64 at all, and long enough", "\x00"],
)
def test_empty_short_and_malformed_secrets_are_refused(given: str) -> None:
    with pytest.raises(SettingError) as refused:
        load_keys("SECRETS", {"SECRETS": given}, "")
    assert "SECRETS" in str(refused.value)
    assert given.strip(" ,\x00") not in str(refused.value) or not given.strip(" ,\x00")


def test_secrets_come_from_the_environment_or_a_file_and_are_not_shown(tmp_path: Path) -> None:
    first, second = random_secret(), random_secret()
    file = tmp_path / "secrets"
    file.write_text(f"{first}\n{second}\n")
    keys = load_keys("SECRETS", {}, str(file))
    assert keys.secrets == tuple(base64.b64decode(text.removeprefix("whsec_")) for text in (first, second))
    assert load_keys("SECRETS", {"SECRETS": second}, str(file)).secrets == keys.secrets[1:]
    assert repr(keys) == "Keys(2 secrets)"
    with pytest.raises(SettingError):
        load_keys("SECRETS", {}, str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (("--only", "service"), {}),
        (("--only", "application"), {}),
        (("--host", "0.0.0.0"), {}),
        (("--only", "service"), {"UPLOAD_TICKET_SECRETS": "c2hvcnQ=", "UPLOAD_CALLBACK_SECRETS": "c2hvcnQ="}),
        (("--only", "service"), {"UPLOAD_TICKET_SECRETS": "", "UPLOAD_CALLBACK_SECRETS": ""}),
    ],
)
def test_nothing_starts_without_secrets_where_they_are_needed(
    tmp_path: Path, options: tuple[str, ...], environment: dict[str, str]
) -> None:
    words = [*COMMAND, "serve", "4", "--port", "0", "--data", str(tmp_path), *options]
    without = {name: value for name, value in os.environ.items() if not name.startswith("UPLOAD_")}
    ended = subprocess.run(
        words, env=without | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert "secret" in ended.stderr
    assert "Traceback" not in ended.stderr
