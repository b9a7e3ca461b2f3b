"""Percentiles, by the method that never invents a value: the nearest rank. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], per_cent: float) -> float | None:
    """The smallest value that at least ``per_cent`` of all are not above; None without values.

    Raises:
        ValueError: not 0 < per_cent ≤ 100.
    """
    if not 0 < per_cent <= 100:
        raise ValueError("a percentile lies above 0 and up to 100")
    if not values:
        return None
    return sorted(values)[math.ceil(len(values) * per_cent / 100) - 1]
