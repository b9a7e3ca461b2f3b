"""Sizes, times and rates as people write them: ``8MiB``, ``80ms``, ``50Mbit``, ``0.5/GiB``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

KIB: Final = 1 << 10
SIZES: Final = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}  # fmt: skip
TIMES: Final = {"ms": 0.001, "s": 1.0, "min": 60.0}
RATES: Final = {
    "Kbit": 10**3 / 8, "Mbit": 10**6 / 8, "Gbit": 10**9 / 8,
    **{f"{unit}/s": size for unit, size in SIZES.items() if unit},
}  # fmt: skip
PER_SIZE: Final = {f"/{unit}": 1 / size for unit, size in SIZES.items() if unit}
_WRITTEN: Final = re.compile(r"(\d+(?:\.\d+)?) *([A-Za-z/]*)")


def size(text: str) -> int:
    """Bytes.

    Raises:
        ValueError: it is no size.
    """
    return round(_parse(text, SIZES, "a size like 8MiB"))


def seconds(text: str) -> float:
    """Seconds. A time needs its unit, or nobody knows whether 80 was meant in milliseconds.

    Raises:
        ValueError: it is no time.
    """
    return 0.0 if text == "0" else _parse(text, TIMES, "a time like 80ms")


def rate(text: str) -> float:
    """Bytes per second; ``unlimited`` is infinite. As networks are sold: 50Mbit are 6.25 million bytes.

    Raises:
        ValueError: it is no rate.
    """
    if text == "unlimited":
        return math.inf
    value = _parse(text, RATES, "a rate like 50Mbit or 6MiB/s")
    if value == 0:
        raise ValueError("a rate of nothing at all")
    return value


def per_byte(text: str) -> float:
    """Events per byte, as in ``0.5/GiB``.

    Raises:
        ValueError: it is none.
    """
    return 0.0 if text == "0" else _parse(text, PER_SIZE, "a number per size like 0.5/GiB")


def _parse(text: str, units: Mapping[str, float], wanted: str) -> float:
    found = _WRITTEN.fullmatch(text.strip())
    known = {unit.lower(): value for unit, value in units.items()}
    if found is None or found[2].lower() not in known:
        raise ValueError(f"{text!r} is not {wanted}")
    return float(found[1]) * known[found[2].lower()]


def shown(size: float) -> str:
    """A size in bytes as people write it: ``8 MiB``, ``256 KiB``."""
    for unit in ("GiB", "MiB", "KiB"):
        if size >= SIZES[unit]:
            return f"{size / SIZES[unit]:.3g} {unit}"
    return f"{size:.0f} B"


class Written(click.ParamType):  # type: ignore[type-arg]
    """A command line's parameter that one of the functions above reads."""

    def __init__(self, name: str, read: Callable[[str], Any], *, several: bool = False) -> None:
        self.name = name
        self._read, self._several = read, several

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See :class:`click.ParamType`."""
        if not isinstance(value, str):
            return value
        try:
            return tuple(map(self._read, value.split(","))) if self._several else self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SIZE: Final = Written("size", size)
TIME: Final = Written("time", seconds)
RATE: Final = Written("rate", rate)
PER_BYTE: Final = Written("number/size", per_byte)
