"""Curves of several seeds: their mean, its interval by Student's t, and the picture."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.training_curves import averaged, draw, told

RISING = [[(10.0, seed), (20.0, 2.0 * seed)] for seed in (1.0, 2.0, 3.0, 4.0, 5.0)]


def test_the_interval_is_students() -> None:
    steps, mean, half = averaged(RISING)
    assert steps.tolist() == [10.0, 20.0]
    assert mean.tolist() == [3.0, 6.0]
    assert half == pytest.approx(np.array([1.0, 2.0]) * 2.776445 * np.sqrt(2.5 / 5.0), rel=1e-6)
    assert told(RISING)["seeds"][4] == [5.0, 10.0]


def test_curves_of_other_steps_or_of_one_seed_have_none() -> None:
    with pytest.raises(ValueError, match="same steps"):
        averaged([*RISING, [(10.0, 0.0), (21.0, 0.0)]])
    with pytest.raises(ValueError, match="two curves"):
        averaged(RISING[:1])


def test_the_picture_is_drawn(tmp_path) -> None:
    draw({"one": RISING, "two": RISING}, {"one": 0.0, "two": 1.0}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000
