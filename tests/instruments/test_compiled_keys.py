"""Compiled keys are those of `instruments.keys`, bit for bit."""

import numpy as np
import pytest

from instruments import compiled_keys, keys


def test_compiled_children_are_the_same() -> None:
    roots = np.concatenate([keys.keys(np.arange(30)), np.array([0, 2**64 - 1], np.uint64)])
    words = np.concatenate([np.arange(30), [2**40, 2**63 - 1]]).astype(np.uint64)
    one_by_one = [int(keys.fold(roots[i : i + 1], int(words[i]))[0]) for i in range(len(roots))]
    assert compiled_keys.fold(roots, words).tolist() == one_by_one
    assert keys.fold(roots, words).tolist() == one_by_one
    many = keys.fold(np.tile(roots, 10), np.tile(words, 10))
    assert many.tolist() == 10 * one_by_one


def test_compiled_uniform_numbers_are_the_same() -> None:
    roots = keys.keys(np.arange(100))
    ours = [compiled_keys.first_uniform(key) for key in roots]
    np.testing.assert_array_equal(ours, keys.uniform(roots, 1)[:, 0])


@pytest.mark.parametrize("draws", [1, 2, 7, 40])
def test_compiled_rows_of_uniform_numbers_are_the_same(draws: int) -> None:
    roots = np.concatenate([keys.keys(np.arange(62)), np.array([0, 2**64 - 1], np.uint64)])
    few = np.concatenate(
        [keys.uniform(roots[:30], draws), keys.uniform(roots[30:60], draws), keys.uniform(roots[60:], draws)]
    )
    np.testing.assert_array_equal(compiled_keys.uniform(roots, draws), few)
    np.testing.assert_array_equal(keys.uniform(roots, draws), few)
