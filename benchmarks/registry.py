"""What a figure is, and the one registry of figures, filled by importing the modules of this package."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One measured value beside the reference that was measured in the same run.

    `compared` says in words what stands against what. `limit` is the value that must not be exceeded (or, with
    `limit_is_least`, must be reached). `threads` is the number of threads that did the measured work.
    """

    value: float
    reference: float
    compared: str
    limit: float | None = None
    limit_is_least: bool = False
    threads: int = 1
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Value over reference; None where the reference is zero."""
        return self.value / self.reference if self.reference else None

    @property
    def within(self) -> bool | None:
        """Whether the limit holds; None without a limit."""
        if self.limit is None:
            return None
        return bool(self.value >= self.limit if self.limit_is_least else self.value <= self.limit)


@dataclass(frozen=True)
class Figure:
    """A figure that can be measured: its id, its unit, what it says, and the function that measures it."""

    id: str
    unit: str
    summary: str
    measure: Callable[[], Measured]


_figures: dict[str, Figure] = {}


def figure(id: str, unit: str) -> Callable[[Callable[[], Measured]], Callable[[], Measured]]:
    """Registers a function under `id`; its docstring's first line is what `--list` shows."""

    def register(measure: Callable[[], Measured]) -> Callable[[], Measured]:
        if id in _figures:
            raise ValueError(f"two figures are called {id}: {_figures[id].measure.__module__} and {measure.__module__}")
        summary = (measure.__doc__ or "").strip().partition("\n")[0]
        _figures[id] = Figure(id, unit, summary, measure)
        return measure

    return register


def figures() -> dict[str, Figure]:
    """Every figure of this package by id, in alphabetical order."""
    package = importlib.import_module("benchmarks")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            importlib.import_module(f"benchmarks.{module.name}")
    return dict(sorted(_figures.items()))
