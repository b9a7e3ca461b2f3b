"""Settings: every one described, read in human form, the command line before the environment."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import (
    SETTINGS,
    SettingError,
    Settings,
    environment_name,
    parse_duration,
    parse_size,
    settings_from,
)

KIB, MIB = 1024, 1024 * 1024

EXAMPLES = {"text": "abc", "count": "7", "size": "2MiB", "time": "90s"}
UNUSUAL: dict[str, tuple[str, Any]] = {
    "on_shutdown": ("keep", "keep"),
    "chunk_size": ("2MiB", 2 * MIB),
    "max_chunk_size": ("32MiB", 32 * MIB),
    "min_chunk_size": ("2KiB", 2 * KIB),
    "max_file_size": ("3GiB", 3 * KIB * MIB),
    "s3_addressing": ("path", "path"),
    "s3_checksum": ("crc32", "crc32"),
    "s3_parts": ("boto3", "boto3"),
    "downloads": ("redirect", "redirect"),
    "only": ("service", "service"),
    "log_format": ("json", "json"),
    "log_level": ("debug", "debug"),
    "metrics": ("127.0.0.1:9102", "127.0.0.1:9102"),
}
"""Settings that not every text of their kind fits."""


def example(setting: Any) -> tuple[str, Any]:
    kinds: dict[str, Any] = {"text": "abc", "count": 7, "size": 2 * MIB, "time": 90.0}
    kind = setting.metadata["kind"]
    return UNUSUAL.get(setting.name, (EXAMPLES[kind], kinds[kind]))


every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


@every_setting
def test_every_setting_is_described(setting: Any) -> None:
    sentence, _, _default = setting.metadata["meaning"].partition("  [")
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert len(sentence) > 10
    assert setting.metadata["kind"] in EXAMPLES


@every_setting
def test_every_setting_can_come_from_either_side(setting: Any) -> None:
    text, value = example(setting)
    from_environment = settings_from({environment_name(setting.name): text}, {})
    from_command_line = settings_from({}, {setting.name: text})
    assert getattr(from_environment, setting.name) == value
    assert from_environment == from_command_line
    assert value != setting.default, "the example would prove nothing"


@every_setting
def test_the_command_line_wins(setting: Any) -> None:
    text, value = example(setting)
    both = settings_from({environment_name(setting.name): "nonsense \0"}, {setting.name: text})
    assert getattr(both, setting.name) == value


def test_what_is_not_given_is_the_default() -> None:
    assert settings_from({}, {}) == Settings()
    assert settings_from({}, {setting.name: None for setting in SETTINGS}) == Settings()
    assert settings_from({"PORT": "1", "port": "1", "UPLOAD_NOTHING": "1"}, {}) == Settings()


def test_names() -> None:
    assert environment_name("max_file_size") == "UPLOAD_MAX_FILE_SIZE"


# --- sizes ---


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1", 1),
        (" 12 ", 12),
        ("8MiB", 8 * MIB),
        ("8 MiB", 8 * MIB),
        ("1KiB", KIB),
        ("50MB", 50_000_000),
        ("1.5GiB", 3 * 512 * MIB),
        ("2TiB", 2 * MIB * MIB),
    ],
)
def test_sizes_in_human_form(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1", "-1MiB", "8 bananas", "1e3", "0x10", "eight", "1,5MiB", "\0"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(SettingError):
        parse_size(text)


@given(st.integers(0, 2**70))
def test_a_plain_number_is_bytes(number: int) -> None:
    assert parse_size(str(number)) == number


@given(st.text())
def test_no_text_breaks_the_size(text: str) -> None:
    with suppress(SettingError):
        assert parse_size(text) >= 0


# --- durations ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        ("30s", 30.0),
        ("30min", 1800.0),
        ("24h", 86400.0),
        ("1h30m", 5400.0),
        ("2 days", 172800.0),
    ],
)
def test_durations_in_human_form(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1", "-1h", "soon", "nan", "inf", "-inf", "1 fortnight"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(SettingError):
        parse_duration(text)


@given(st.text())
def test_no_text_breaks_the_duration(text: str) -> None:
    with suppress(SettingError):
        assert 0 <= parse_duration(text) < float("inf")


# --- what is refused ---


@pytest.mark.parametrize("name", ["port", "threads", "max_sessions"])
@pytest.mark.parametrize("text", ["-1", "1.5", "", "many", "+5", "5_0"])
def test_what_is_no_whole_number(name: str, text: str) -> None:
    with pytest.raises(SettingError):
        settings_from({}, {name: text})


@pytest.mark.parametrize(
    "given_texts",
    [
        {"on_shutdown": "perhaps"},
        {"session_ttl": "0"},
        {"sweep_interval": "0s"},
        {"read_timeout": "0"},
        {"threads": "0"},
        {"max_sessions": "0"},
        {"min_chunk_size": "0"},
        {"chunk_size": "1KiB", "min_chunk_size": "2KiB"},
        {"chunk_size": "65MiB"},
        {"log_format": "xml"},
        {"log_level": "loud"},
        {"metrics": "9102"},
        {"metrics": ":9102"},
        {"metrics": "127.0.0.1:"},
        {"metrics": "127.0.0.1:65536"},
        {"metrics": "127.0.0.1:http"},
        {"s3_prefix": "/"},
        {"s3_checksum": "sha512"},
        {"s3_parts": "slowly"},
        {"downloads": "never"},
        {"only": "half"},
        {"staging_prefix": "/"},
        {"max_file_size": "100TiB"},  # more than 10,000 chunks of max-chunk-size
    ],
)
def test_settings_that_make_no_sense_are_refused(given_texts: dict[str, str]) -> None:
    with pytest.raises(SettingError):
        settings_from({}, given_texts)


def test_the_message_names_where_the_text_came_from() -> None:
    with pytest.raises(SettingError, match=r"^--max-file-size: 'x' is no size"):
        settings_from({}, {"max_file_size": "x"})
    with pytest.raises(SettingError, match=r"^UPLOAD_SESSION_TTL: 'x' is no duration"):
        settings_from({"UPLOAD_SESSION_TTL": "x"}, {})


# --- what is made of them ---


def test_a_level_has_a_folder_and_a_port_of_its_own(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path / "data"))
    folder = settings.data_folder(2)
    assert folder == tmp_path / "data" / "level2"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert settings.data_folder(2) == folder
    assert (settings.port_for(2), Settings(port=0).port_for(2)) == (8002, 0)


def test_the_allow_list_is_read_leniently() -> None:
    assert Settings().type_allow_list() == frozenset()
    assert Settings(allowed_types=" image/PNG, ,application/pdf,").type_allow_list() == {
        "image/png",
        "application/pdf",
    }


def test_the_limits_are_those_of_the_settings() -> None:
    limits = Settings(max_file_size=10, chunk_size=5, min_chunk_size=2, max_chunk_size=7).limits()
    assert (limits.max_file_size, limits.default_chunk_size) == (10, 5)
    assert (limits.minimum_chunk_size, limits.maximum_chunk_size) == (2, 7)


def test_metrics_have_an_address_or_none() -> None:
    assert Settings().metrics_address() is None
    assert Settings(metrics="10.0.0.1:9102").metrics_address() == ("10.0.0.1", 9102)
    assert Settings(metrics="[::1]:0").metrics_address() == ("::1", 0)


def test_json_logs_have_a_line_a_request_unless_told_otherwise() -> None:
    levels = [Settings().level_of_log(), Settings(log_format="json").level_of_log()]
    assert levels == ["warning", "info"]
    assert Settings(log_format="json", log_level="error").level_of_log() == "error"
