"""Sizes: what the server promises about chunks, for every file it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import FileTooLarge
from shared.limits import MAX_CHUNKS, MIB, TINY, Limits


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    minimum = draw(st.integers(1, 2**40))
    default = draw(st.integers(minimum, 2**41))
    maximum = draw(st.integers(default, 2**42))
    return Limits(draw(st.integers(0, MAX_CHUNKS * maximum)), default, minimum, maximum)


@st.composite
def limits_and_size(draw: st.DrawFn) -> tuple[Limits, int]:
    limits = draw(any_limits())
    edges = st.sampled_from([0, limits.max_file_size])
    return limits, draw(st.integers(0, limits.max_file_size) | edges)


wishes = st.none() | st.integers(1, 2**63 - 1)


def chunks_needed(declared_size: int, chunk_size: int) -> int:
    return -(-declared_size // chunk_size)


@given(limits_and_size(), wishes)
def test_no_file_needs_more_than_ten_thousand_chunks(chosen: tuple[Limits, int], wish: int | None) -> None:
    limits, size = chosen
    assert chunks_needed(size, limits.chunk_size_for(size, wish)) <= MAX_CHUNKS


@given(limits_and_size(), wishes)
def test_the_chunk_size_stays_within_what_the_server_says(
    chosen: tuple[Limits, int], wish: int | None
) -> None:
    limits, size = chosen
    assert limits.minimum_chunk_size <= limits.chunk_size_for(size, wish) <= limits.maximum_chunk_size


@given(limits_and_size(), wishes)
def test_a_wish_within_bounds_is_granted_unless_it_makes_too_many_chunks(
    chosen: tuple[Limits, int], wish: int | None
) -> None:
    limits, size = chosen
    asked = limits.default_chunk_size if wish is None else wish
    clamped = min(max(asked, limits.minimum_chunk_size), limits.maximum_chunk_size)
    given_size = limits.chunk_size_for(size, wish)
    if chunks_needed(size, clamped) <= MAX_CHUNKS:
        assert given_size == clamped
    else:
        assert given_size > clamped
        assert chunks_needed(size, given_size - 1) > MAX_CHUNKS, "raised further than needed"


@given(any_limits(), st.integers(1, 2**63))
def test_a_file_that_is_too_large_is_refused(limits: Limits, excess: int) -> None:
    limits.check_declared_size(limits.max_file_size)
    with pytest.raises(FileTooLarge):
        limits.check_declared_size(limits.max_file_size + excess)


@pytest.mark.parametrize(
    ("file", "default", "minimum", "maximum"),
    [
        (1, 8, 0, 16),  # a minimum of nothing
        (1, 8, 9, 16),  # a default below the minimum
        (1, 17, 8, 16),  # and above the maximum
        (-1, 8, 1, 16),
        (16 * MAX_CHUNKS + 1, 8, 1, 16),  # a file that ten thousand of the largest chunks do not hold
    ],
)
def test_sizes_that_contradict_each_other_are_refused(
    file: int, default: int, minimum: int, maximum: int
) -> None:
    with pytest.raises(ValueError, match=r"hold|10,000"):
        Limits(file, default, minimum, maximum)
    Limits(16 * MAX_CHUNKS, 8, 1, 16)


def test_the_articles_file_is_thirteen_chunks() -> None:
    limits = Limits(max_file_size=100 * 1024 * MIB)
    chunk_size = limits.chunk_size_for(100 * MIB, None)
    assert chunk_size == 8 * MIB
    assert chunks_needed(100 * MIB, chunk_size) == 13


def test_the_largest_file_still_fits() -> None:
    limits = Limits(max_file_size=100 * 1024 * MIB)
    assert limits.chunk_size_for(limits.max_file_size, None) == -(-limits.max_file_size // MAX_CHUNKS)
    assert TINY.chunk_size_for(TINY.max_file_size, 1) == 7
