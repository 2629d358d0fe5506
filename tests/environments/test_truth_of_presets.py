"""No preset shows its truth: neither a parameter of the twin, nor one of its maps, in anything an agent is given."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from environments.registration import PRESETS, single

PUBLIC = ("extent_nm", "positions_nm", "frozen_K")
"""Truth that is told: the field and its edges (atoms stand on them), and the published record of a library."""
FEW = 16
BY_CHANCE = 0.02
"""Share of a seen float32 array that equals some value of a map of thousands by chance."""


def arrays(value: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array of floats, flat, with the name it is kept under."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from arrays(item, str(key))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from arrays(getattr(value, field.name), field.name)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        if value.dtype.kind in "fc":
            yield (
                name,
                np.concatenate([value.real.ravel(), value.imag.ravel()]) if value.dtype.kind == "c" else value.ravel(),
            )
    elif isinstance(value, (list, tuple, np.ndarray)):
        for item in value:
            yield from arrays(item, name)
    elif isinstance(value, (float, np.floating)):
        yield name, np.array([value])


def secrets(truth: Any) -> list[tuple[str, np.ndarray]]:
    """Truth that a chance cannot meet: no round numbers, which configuration and axes hold too."""
    found = []
    for name, values in arrays(truth):
        known = values[np.isfinite(values)].astype(np.float64)
        known = known[~four_digits(known)]
        if len(known) and name not in PUBLIC:
            found.append((name, known))
    return found


def four_digits(values: np.ndarray) -> np.ndarray:
    """Which numbers are zero or have at most four significant digits."""
    size = np.where(values == 0, 1.0, np.abs(values))
    shifted = values * 10.0 ** (3 - np.floor(np.log10(size)))
    return np.abs(shifted - np.round(shifted)) < 1e-6


def leaks(truth: Any, seen: Any) -> list[str]:
    shown = list(arrays(seen))
    out = []
    for name, hidden in secrets(truth):
        for where, values in shown:
            share = np.isin(values, hidden.astype(values.dtype))
            if share.any() and (len(hidden) <= FEW or share.mean() > BY_CHANCE):
                out.append(f"{name} in {where}: {int(share.sum())} of {len(values)}")
    return out


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_parameter_and_a_map_that_are_shown_are_found(kind) -> None:
    truth = {"rate": 0.123456789, "map": np.random.default_rng(0).normal(size=4000)}
    assert not leaks(truth, {"image": np.random.default_rng(1).normal(size=4000).astype(kind)})
    assert leaks(truth, [{"a": (np.array([1.0, 0.123456789], kind),)}]) == ["rate in a: 1 of 2"]
    assert len(leaks(truth, {"image": truth["map"][:1000].astype(kind)})) == 1


@pytest.mark.parametrize("id", PRESETS)
def test_no_preset_shows_its_truth(id: str) -> None:
    preset, options = PRESETS[id]
    environment = single(preset, **options)
    environment.action_space.seed(0)
    seen: list[Any] = [environment.reset(seed=4), environment.brief(), environment.capabilities]
    truth = [environment.instrument.truth()]
    seen += [environment.step(environment.action_space.sample()) for _ in range(3)]
    truth.append(environment.instrument.truth())
    assert secrets(truth)
    assert leaks(truth, seen) == []
