"""Values planted in truth are looked for in everything that an agent is given."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from environments.environment import Environment
from environments.scalarisers import LoopArea
from environments.tasks.spectroscopy_map import SpectroscopyMap
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded


def numbers(value: Any) -> Iterator[float]:
    """Every number in nested mappings, sequences, dataclasses and arrays."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from numbers(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from numbers(getattr(value, field.name))
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield from value.ravel().astype(float).tolist()
    elif isinstance(value, (list, tuple, np.ndarray)):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, (int, float, np.number)):
        yield float(value)


def found(value: Any, secrets: list[float]) -> bool:
    have = np.array(list(numbers(value)))
    return any(np.any(np.isclose(have, secret, rtol=1e-6, atol=0)) for secret in secrets)


def test_the_search_finds_what_is_planted(small_film, planted) -> None:
    twin = Embedded(small_film())
    assert found(twin.truth(), [planted])
    assert found({"a": [np.float32(planted)]}, [planted])
    assert not found({"a": [planted + 1e-3]}, [planted])


@pytest.mark.parametrize("objective", ["maximise", "map"])
def test_nothing_an_agent_sees_holds_truth(small_film, planted, objective) -> None:
    twin = Embedded(small_film())
    environment = Environment(twin, SpectroscopyMap(LoopArea(), shape=(3, 3), objective=objective))
    seen: list[Any] = [environment.reset(seed=4)]
    secrets = [planted, twin.truth()["hidden"]]
    seen += [environment.brief(), environment.capabilities]
    seen += [environment.step(environment.action_space.sample()) for _ in range(8)]
    seen.append(environment._state)
    assert not any(found(item, secrets) for item in seen)


def test_nor_does_the_vector_environment(small_film, planted) -> None:
    vector = VectorEnvironment(small_film(), SpectroscopyMap(LoopArea(), shape=(2, 2)), 3)
    seen: list[Any] = [vector.reset(seed=4)]
    secrets = [planted, *vector._world.hidden.ravel().tolist()]
    seen += [vector.step(vector.action_space.sample()) for _ in range(3)]
    seen.append(vector._state)
    assert not any(found(item, secrets) for item in seen)
