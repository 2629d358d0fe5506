"""The common form of a prior: named parameters with units and distributions, and a model that predicts measurements.

Parameter values `theta` are arrays [..., P], last axis in the order of `names`; a design says what was done (plain SI
or microscope units, the model says which), an outcome what came of it. A posterior has the form of a prior too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from physics_priors.distributions import Distribution

Floats = NDArray[np.float64]
D = TypeVar("D", contravariant=True)
O = TypeVar("O", contravariant=True)  # noqa: E741


@dataclass(frozen=True)
class Parameter:
    """One uncertain number: name, unit, what is believed of it, and who says so."""

    name: str
    unit: str
    distribution: Distribution
    source: str = ""

    @property
    def median(self) -> float:
        """The value to take where a single one is wanted."""
        return float(self.distribution.quantile(0.5))


@runtime_checkable
class Prior(Protocol):
    """What is believed of some named numbers, jointly."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of theta's last axis."""
        ...

    def sample(self, uniforms: Floats) -> Floats:
        """Draws [..., P] made from explicit uniforms [..., P] in (0, 1)."""
        ...

    def log_density(self, theta: Floats) -> Floats:
        """Log density [...] at theta [..., P]."""
        ...


class Model(Protocol[D, O]):
    """What a parameter value predicts of a measurement; `design` and `outcome` are the model's own types."""

    def mean(self, theta: Floats, design: D) -> Floats:
        """Expected measurement [n, ...] for parameters [n, P]."""
        ...

    def log_likelihood(self, theta: Floats, design: D, outcome: O) -> Floats:
        """Log likelihood [n] of all data in `outcome` for parameters [n, P]."""
        ...


@dataclass(frozen=True)
class Parameters:
    """Independent parameters: the usual prior. Raises ValueError where two share a name."""

    items: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"two parameters share a name: {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.items)

    @property
    def units(self) -> tuple[str, ...]:
        """Units, in the order of `names`."""
        return tuple(item.unit for item in self.items)

    @property
    def medians(self) -> Floats:
        """The median of each, [P]."""
        return np.array([item.median for item in self.items])

    def sample(self, uniforms: Floats) -> Floats:
        return self._each("quantile", uniforms)

    def cumulative(self, theta: Floats) -> Floats:
        """The uniforms [..., P] that `sample` makes theta of."""
        return self._each("cumulative", theta)

    def log_density(self, theta: Floats) -> Floats:
        return np.asarray(self._each("log_density", theta).sum(-1))

    def named(self, theta: Floats) -> dict[str, Floats]:
        """theta [..., P] as arrays [...] by name."""
        return {name: np.asarray(theta[..., index]) for index, name in enumerate(self.names)}

    def ordered(self, values: Mapping[str, Any]) -> Floats:
        """theta of values by name, the median where one is not given; raises KeyError on an unknown name."""
        if unknown := set(values) - set(self.names):
            raise KeyError(f"unknown parameter {sorted(unknown)[0]!r}; known: {', '.join(self.names)}")
        columns = [np.asarray(values.get(item.name, item.median), dtype=np.float64) for item in self.items]
        return np.stack(np.broadcast_arrays(*columns), axis=-1)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, name: str) -> Parameter:
        return self.items[self.names.index(name)]

    def _each(self, method: str, array: Floats) -> Floats:
        values = np.asarray(array, dtype=np.float64)
        if values.shape[-1:] != (len(self.items),):
            raise ValueError(f"the last axis must hold {len(self.items)} parameters, got shape {values.shape}")
        parts = [getattr(item.distribution, method)(values[..., i]) for i, item in enumerate(self.items)]
        return np.stack(parts, axis=-1)
