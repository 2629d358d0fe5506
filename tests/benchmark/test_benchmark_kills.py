"""A suite that is killed is the suite that is not (`benchmark.kills_survived` does it twenty times)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from benchmarks.cell_kills import survive


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_at_random_it_gives_the_same_table_and_runs_nothing_twice(tmp_path: Path) -> None:
    survived = survive(3, tmp_path, random.Random(5), life_s=6.0, seeds=3)
    assert survived.faults == []
    assert survived.kills.total() == 3
