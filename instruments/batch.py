"""Batches: the same requests and results as structs of arrays, one row per sample.

Twins compute on these and tasks are written on them; a single instrument is a batch of one row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.cost import Cost
from instruments.errors import DataInvalid
from instruments.measurement import Axis, Channel, Measurement
from instruments.requests import KINDS, Request


@dataclass(frozen=True)
class RequestBatch:
    """B requests of one kind: `each` holds what differs, arrays [B, ...]; `shared` what is the same for all.

    `wanted` [B] says which rows ask for it at all, None all of them: whoever carries a batch out leaves the others
    out, so that a core never sees it.
    """

    kind: str
    rows: int
    each: Mapping[str, NDArray[Any]]
    shared: Mapping[str, Any]
    wanted: NDArray[np.bool_] | None = None

    def asks(self, index: int) -> bool:
        """Whether a row asks for it."""
        return self.wanted is None or bool(self.wanted[index])

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Which rows [B] ask for it."""
        return np.ones(self.rows, dtype=bool) if self.wanted is None else self.wanted

    def only(self, rows: NDArray[np.intp]) -> RequestBatch:
        """The batch of some of its rows, all of which ask for it."""
        return RequestBatch(self.kind, len(rows), {name: array[rows] for name, array in self.each.items()}, self.shared)

    def row(self, index: int) -> Request:
        """The request of one row, validated; raises InvalidRequest."""
        each = {name: _plain(values[index]) for name, values in self.each.items()}
        return KINDS[self.kind](**each, **self.shared)

    @staticmethod
    def of(request: Request) -> RequestBatch:
        """A batch of one row, everything shared but the position."""
        body = {name: getattr(request, name) for name in request.__dataclass_fields__}
        each: dict[str, NDArray[Any]] = {
            n: np.asarray([body.pop(n)], dtype=float) for n in ("position_nm", "center_nm") if n in body
        }
        return RequestBatch(request.kind, 1, each, body)


@dataclass(frozen=True)
class CostBatch:
    """Costs of B rows; see `Cost` for the units."""

    seconds: NDArray[np.float64]
    electrons: NDArray[np.float64]
    contact_nm_nN: NDArray[np.float64]
    bias_V_s: NDArray[np.float64]

    def row(self, index: int) -> Cost:
        """The cost of one row."""
        return Cost(*(float(getattr(self, n)[index]) for n in self.__dataclass_fields__))

    def scaled(self, fraction: float) -> CostBatch:
        """The same costs times `fraction`."""
        return CostBatch(*(getattr(self, n) * fraction for n in self.__dataclass_fields__))

    @staticmethod
    def stack(costs: Sequence[Cost]) -> CostBatch:
        """The batch of single costs."""
        return CostBatch(*(np.array([getattr(c, n) for c in costs]) for n in CostBatch.__dataclass_fields__))


@dataclass(frozen=True)
class ResultBatch:
    """Results of B rows of one request kind.

    values: channel -> [B, ...]; axes and units: by channel, shared by all rows; done [B] is False where nothing
    usable came (failed, refused, stopped early: what is missing is NaN); position_nm [B, 2] is where the probe was.
    """

    kind: str
    values: Mapping[str, NDArray[Any]]
    units: Mapping[str, str]
    axes: Mapping[str, tuple[Axis, ...]]
    done: NDArray[np.bool_]
    cost: CostBatch
    position_nm: NDArray[np.float64]

    def row(self, index: int, id: str, request: Request, state: Mapping[str, float]) -> Measurement:
        """One row as a Measurement."""
        channels = {n: Channel(v[index], self.units[n], self.axes[n]) for n, v in self.values.items()}
        x, y = (float(v) for v in self.position_nm[index])
        place = None if math.isnan(x) else (x, y)
        return Measurement(id, request, channels, self.cost.row(index), bool(self.done[index]), place, state)

    def spread(self, rows: NDArray[np.intp], count: int) -> ResultBatch:
        """The same results as `rows` of a batch of `count`; in the other rows nothing was done, at no cost."""
        cost = CostBatch(*(_filled(getattr(self.cost, n), rows, count, 0.0) for n in CostBatch.__dataclass_fields__))
        values = {name: _filled(array, rows, count, np.nan) for name, array in self.values.items()}
        done, position = _filled(self.done, rows, count, False), _filled(self.position_nm, rows, count, np.nan)
        return ResultBatch(self.kind, values, self.units, self.axes, done, cost, position)

    @staticmethod
    def nothing(kind: str, count: int) -> ResultBatch:
        """Results of a batch of which nothing was done."""
        cost = CostBatch.stack([Cost()] * count)
        return ResultBatch(kind, {}, {}, {}, np.zeros(count, dtype=bool), cost, np.full((count, 2), np.nan))

    @staticmethod
    def of(measurement: Measurement) -> ResultBatch:
        """A measurement as a batch of one row; a copy, so that nobody edits a measurement."""
        channels = measurement.channels
        position = measurement.position_nm or (np.nan, np.nan)
        return ResultBatch(
            measurement.request.kind,
            {n: np.array(c.values)[None] for n, c in channels.items()},
            {n: c.unit for n, c in channels.items()},
            {n: c.axes for n, c in channels.items()},
            np.array([measurement.complete]),
            CostBatch.stack([measurement.cost]),
            np.array([position], dtype=float),
        )

    def only(self) -> str:
        """The name of the single channel; raises DataInvalid where there are several or none."""
        if len(self.values) != 1:
            raise DataInvalid(f"expected one channel, got {sorted(self.values)}: name the one to use")
        return next(iter(self.values))


def _filled(array: NDArray[Any], rows: NDArray[np.intp], count: int, other: float) -> NDArray[Any]:
    kind = array.dtype if array.dtype == np.bool_ else np.result_type(array.dtype, np.float16)
    whole = np.full((count, *array.shape[1:]), other, dtype=kind)
    whole[rows] = array
    return whole


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return tuple(_plain(item) for item in value)
    return value.item() if isinstance(value, np.generic) else value
