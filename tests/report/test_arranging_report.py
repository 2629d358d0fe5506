"""The ways of several atoms in a report: told apart in small looks and in surveys."""

import numpy as np

from experiments.report.tasks.arrange_dopants import ways_of
from experiments.report.tasks.move_dopant import true_parameters

CARBON = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), -1).reshape(-1, 2)


def look(step: int, silicon: list[list[float]], around: float | None = None) -> tuple[int, np.ndarray, np.ndarray]:
    """A survey, or a small look at the atoms near x = `around`."""
    place = np.concatenate([CARBON, np.array(silicon)])
    species = np.append(np.full(len(CARBON), 6.0), np.full(len(silicon), 14.0))
    kept = np.ones(len(place), bool) if around is None else np.abs(place[:, 0] - around) < 0.6
    return step, place[kept], species[kept]


def test_each_atom_has_a_way_of_its_own() -> None:
    looks = [
        look(-1, [[1.0, 1.2], [5.0, 5.2]]),
        look(0, [[1.1, 1.3], [5.0, 5.2]], around=1.0),
        look(1, [[1.1, 1.3], [5.1, 5.2]], around=5.0),
        look(2, [[3.4, 3.3], [5.1, 5.2]]),  # a survey finds the one that was out of sight
    ]
    first, second = ways_of(looks)
    np.testing.assert_allclose(first, [[1.0, 1.2], [1.1, 1.3], [3.4, 3.3]])
    np.testing.assert_allclose(second, [[5.0, 5.2], [5.1, 5.2], [5.1, 5.2]])


def test_in_a_small_look_nothing_far_away_is_taken_for_an_atom() -> None:
    looks = [look(-1, [[1.0, 1.2], [5.0, 5.2]]), look(0, [[1.0, 1.2], [3.0, 3.0]], around=3.0)]
    assert [len(way) for way in ways_of(looks)] == [1, 1]
    assert ways_of([]) == []


def test_the_truth_of_rates_is_that_of_all_dopants() -> None:
    rates = np.array([[0.4, 0.3, np.nan], [0.2, 0.6, 0.5]])
    assert true_parameters({"best_rates_s": rates})["largest_rate_s"] == [0.4, 0.3, 0.2, 0.6, 0.5]
