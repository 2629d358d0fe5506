"""The frozen scores of random search and of the oracle are those of today's code."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import pytest

from experiments.benchmark import references
from experiments.benchmark.suite import ORACLE

SEEDS = 2


@pytest.mark.parametrize("name", references.names())
def test_the_first_of_them_are_computed_anew(name: str) -> None:
    frozen = references.read(name)
    with tempfile.TemporaryDirectory() as folder:
        now = references.measured(dataclasses.replace(frozen, seeds=SEEDS), Path(folder))
    assert now.areas.keys() == frozen.areas.keys() == {ORACLE, "random"}
    for policy, areas in frozen.areas.items():
        for what, values in areas.items():
            # Equal but for the last bits of numpy's exponentials, which differ between processors.
            assert now.areas[policy][what] == pytest.approx(values[:SEEDS], rel=1e-9)


@pytest.mark.parametrize("name", references.names())
def test_they_are_ten_seeds_and_the_oracle_is_better_on_each(name: str) -> None:
    frozen = references.read(name)
    assert frozen.seeds == 10
    assert frozen.version >= 1
    for what in frozen.areas[ORACLE]:
        pairs = list(zip(frozen.areas[ORACLE][what], frozen.areas["random"][what], strict=True))
        assert len(pairs) == 10
        assert all(oracle < random for oracle, random in pairs)
    assert frozen.areas[ORACLE]["steps"] == pytest.approx([1 / frozen.steps] * 10)


def test_the_film_has_them() -> None:
    assert "film" in references.names()
