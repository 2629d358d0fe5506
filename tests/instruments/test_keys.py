import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments import keys

# Random123, kat_vectors, philox4x32 10 rounds: counter, key, result
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> np.ndarray:
    return np.array([int(word, 16) for word in text.split()], dtype=np.uint64)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter: str, key: str, expected: str) -> None:
    assert keys.philox(words(counter), words(key)).tolist() == words(expected).tolist()


def test_philox_of_a_batch_is_philox_of_each() -> None:
    counters = np.stack([words(c) for c, _, _ in KNOWN_ANSWERS])
    both = keys.philox(counters, np.stack([words(k) for _, k, _ in KNOWN_ANSWERS]))
    assert both.tolist() == [words(e).tolist() for _, _, e in KNOWN_ANSWERS]


def test_uniform_numbers_are_uniform_and_inside_the_open_interval() -> None:
    drawn = keys.uniform(keys.keys(np.arange(20)), 5000).ravel()
    assert 0 < drawn.min() < 1e-3
    assert 1 - 1e-3 < drawn.max() < 1
    counts = np.histogram(drawn, 50, (0, 1))[0]
    chi2 = np.sum((counts - len(drawn) / 50) ** 2 / (len(drawn) / 50))
    assert 20 < chi2 < 90  # 49 degrees of freedom: mean 49, s.d. 9.9


def test_normal_numbers_have_the_moments_of_a_normal() -> None:
    drawn = keys.normal(keys.keys(3), 100_000).ravel()
    moments = [np.mean(drawn), np.var(drawn), np.mean(drawn**3), np.mean(drawn**4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.06)


def test_draws_of_neighbouring_keys_draws_and_words_are_uncorrelated() -> None:
    root = keys.keys(np.arange(4))
    streams = np.concatenate([keys.uniform(root, 4000), keys.uniform(keys.fold(root, 1), 4000)])
    streams = np.concatenate([streams, np.roll(streams, 1, axis=1)])
    correlation = np.corrcoef(streams) - np.eye(len(streams))
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=5), st.integers(1, 9), st.integers(0, 2**64 - 1))
def test_a_row_does_not_depend_on_its_batch_nor_a_draw_on_their_number(seeds: list[int], draws: int, word: int) -> None:
    batch = keys.fold(keys.keys(np.array(seeds, dtype=np.uint64)), word)
    alone = keys.fold(keys.keys(seeds[-1]), word)
    assert batch[-1] == alone[0]
    assert keys.uniform(batch, draws)[-1].tolist() == keys.uniform(alone, draws + 3)[0, :draws].tolist()


def test_seeds_and_words_beyond_32_bits_count() -> None:
    root = keys.keys([1, 1 + 2**32, 1 + 2**62])
    assert len(set(root.tolist())) == 3
    assert keys.fold(root, 5)[0] != keys.fold(root, 5 + 2**32)[0]


def test_children_never_collide_in_a_large_family() -> None:
    root = np.repeat(keys.keys(np.arange(20)), 1000)
    children = keys.fold(root, np.tile(np.arange(1000), 20))
    assert len(np.unique(children)) == 20_000


@given(st.integers(0, 2**63), st.integers(0, 2**64 - 1), st.integers(1, 16))
def test_one_key_gets_from_python_integers_what_a_batch_gets_from_arrays(seed: int, word: int, draws: int) -> None:
    one = keys.keys(seed)
    two = np.repeat(one, 2)
    assert keys.fold(one, word)[0] == keys.fold(two, word)[0]
    assert np.array_equal(keys.uniform(one, draws)[0], keys.uniform(two, draws)[0])
