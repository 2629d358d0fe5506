"""A request that only some rows ask for is carried out for those alone, with the keys it would have on its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from environments.environment import Environment
from environments.tasks.find_peak import FindPeak, State
from environments.vector import VectorEnvironment
from instruments.batch import RequestBatch, ResultBatch
from instruments.embedded import Embedded
from instruments.twins.flat import Flat


class Sometimes(FindPeak):
    """Measures twice on the right, once on the left."""

    def requests(self, state: State, actions: np.ndarray[Any, Any]) -> Sequence[RequestBatch]:
        (batch,) = super().requests(state, actions)
        again = RequestBatch(batch.kind, batch.rows, batch.each, batch.shared, wanted=np.asarray(actions)[:, 0] > 0)
        return [again, batch]

    def update(self, state: State, actions: np.ndarray[Any, Any], results: Sequence[ResultBatch]) -> Any:
        assert results[0].done.tolist() == (np.asarray(actions)[:, 0] > 0).tolist()
        return super().update(state, actions, results[1:])


def test_rows_that_do_not_ask_are_left_out_and_the_others_are_as_alone() -> None:
    task, actions = Sometimes(tries=5), np.array([[[0.2, 0.1], [-0.5, 0.3], [0.7, 0.0]], [[-0.2, 0.1]] * 3])
    vector = VectorEnvironment(Flat(noise=0.1), task, 3)
    vector.reset(seed=4)
    together = [vector.step(a) for a in actions]
    electrons = together[0][4]["electrons"]
    assert electrons[0] == pytest.approx(2 * electrons[1])
    for row in range(3):
        alone = Environment(Embedded(Flat(noise=0.1)), task)
        alone.reset(seed=4 + row)
        assert len(alone.requests(actions[0, row])) == (2 if actions[0, row, 0] > 0 else 1)
        for step in range(2):
            observation, reward, _, _, info = alone.step(actions[step, row])
            np.testing.assert_array_equal(observation["last_and_best"], together[step][0]["last_and_best"][row])
            assert reward == together[step][1][row]
            assert info["seconds"] == pytest.approx(together[step][4]["seconds"][row])


def test_a_campaign_gives_only_what_was_asked_for() -> None:
    environment = Environment(Embedded(Flat()), Sometimes(tries=5))
    environment.open(0)
    environment.surveyed([])
    assert np.isnan(environment.update(np.array([-0.5, 0.0]), [None]).value)
    with pytest.raises(ValueError, match="1 measurements for 2 requests"):
        environment.update(np.array([0.5, 0.0]), [None])
