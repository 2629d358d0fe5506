"""Rows of nested batches are taken and replaced; what is shared stays, what is shorter is padded."""

from dataclasses import dataclass, field

import numpy as np

from environments.rows import KEPT, SHARED, put, take


@dataclass(frozen=True)
class Inner:
    maps: dict[str, np.ndarray]
    grown: np.ndarray


@dataclass(frozen=True)
class Batch:
    a: np.ndarray
    inner: Inner
    table: np.ndarray = field(metadata=SHARED)
    power: int = 2


def batch(start: int, rows: int, width: int) -> Batch:
    a = np.arange(start, start + rows)
    grown = np.tile(a[:, None], (1, width))
    return Batch(a, Inner({"m": np.tile(a[:, None, None], (1, 2, 2))}, grown), np.arange(3.0))


def test_put_replaces_rows_and_pads_the_shorter() -> None:
    for old_width, new_width in ((2, 3), (3, 2), (0, 0), (3, 0)):
        old, new = batch(0, 3, old_width), batch(10, 2, new_width)
        joined = put(old, np.array([0, 2]), new)
        assert joined.a.tolist() == [10, 1, 11]
        assert joined.inner.maps["m"][:, 0, 0].tolist() == [10, 1, 11]
        assert joined.inner.grown.shape == (3, max(old_width, new_width))
        assert joined.inner.grown[1, :old_width].tolist() == [1] * old_width
        assert joined.inner.grown[0].tolist() == [10] * new_width + [0] * (max(old_width, new_width) - new_width)
        assert old.a.tolist() == [0, 1, 2]


def test_shared_arrays_stay_even_when_as_long_as_the_batch() -> None:
    old = batch(0, 3, 1)
    joined = put(old, np.array([1]), batch(10, 1, 1))
    assert joined.table is old.table
    assert joined.power == 2


def test_own_arrays_are_edited_in_place_unless_something_is_to_be_padded() -> None:
    old = batch(0, 3, 2)
    joined = put(old, np.array([1]), batch(10, 1, 2), own=("a",))
    assert joined.a is old.a
    assert old.a.tolist() == [0, 10, 2]
    assert joined.inner.grown.tolist() == [[0, 0], [10, 10], [2, 2]]
    assert old.inner.grown[1].tolist() == [1, 1]
    wider = put(joined.inner, np.array([1]), batch(20, 1, 3).inner, own=("grown",))
    assert wider.grown.tolist() == [[0, 0, 0], [20, 20, 20], [2, 2, 0]]
    assert joined.inner.grown.shape == (3, 2)


def test_take_copies_rows() -> None:
    old = batch(0, 3, 2)
    part = take(old, np.array([2, 0]))
    assert part.a.tolist() == [2, 0]
    assert part.inner.maps["m"].shape == (2, 2, 2)
    part.a[0] = 99
    assert old.a.tolist() == [0, 1, 2]


@dataclass(frozen=True)
class Kept:
    large: np.ndarray = field(metadata=KEPT)
    small: np.ndarray


def test_what_its_owner_keeps_is_edited_in_place_and_the_rest_is_not() -> None:
    old = Kept(np.arange(3), np.arange(3))
    joined = put(old, np.array([1]), Kept(np.array([10]), np.array([10])))
    assert joined.large is old.large
    assert joined.large.tolist() == joined.small.tolist() == [0, 10, 2]
    assert old.small.tolist() == [0, 1, 2]


def test_rows_of_a_large_batch_are_taken_by_number_and_no_more_of_them_than_is_filled() -> None:
    old, new = (Kept(np.full((3, 1000), start), np.arange(3) + start) for start in (1.0, 10.0))
    new.large[2] = 7.0
    filled, was = {"large": np.array([2, 0, 1000])}, {"large": np.array([4, 0, 0])}
    joined = put(old, np.array([0, 2]), new, at=np.array([2, 0]), filled=filled, was=was)
    assert joined.large is old.large
    assert joined.large[0].tolist() == [7.0] * 1000
    assert joined.large[2, :3].tolist() == [10.0, 10.0, 1.0], "nothing was said to be there"
    assert joined.small.tolist() == [12.0, 2.0, 10.0]


def test_what_was_in_a_row_beyond_what_is_filled_becomes_zero() -> None:
    large = 1024
    old, fresh = Kept(np.ones((4, large)), np.arange(4)), Kept(np.full((3, large), 2.0), np.arange(3))
    old.large[1, 5:] = 0.0
    filled, was = {"large": np.array([0, 2, large])}, {"large": np.array([large, 5, large, large])}
    joined = put(old, np.array([0, 1, 2]), fresh, filled=filled, was=was)
    assert joined.large[0].tolist() == [0.0] * large
    assert joined.large[1, :6].tolist() == [2.0, 2.0, 0.0, 0.0, 0.0, 0.0]
    assert joined.large[2:, 0].tolist() == [2.0, 1.0]
    again = put(old, np.array([3]), fresh, at=np.array([0]), filled=filled)
    assert again.large[3].tolist() == [0.0] * large, "where nothing is said of the batch, all may be there"
