"""The Cholesky root of the data's covariance, built at once or row by row, with what is solved by it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.kernel import SignalKernel

if TYPE_CHECKING:
    import torch

_LEAST = 1e-12


class Factor:
    """R with R R^T = K + noise for the data told so far, and R^-1 y and R^-1 1; `values` y are as they come.

    y is counted from the first value, so that values far from zero lose nothing.
    """

    def __init__(
        self,
        kernel: SignalKernel,
        noise: float,
        taken: NDArray[np.int64],
        values: NDArray[np.float64],
        room: int,
        factors: NDArray[np.float64] | None = None,
    ) -> None:
        """Of data at the candidates `taken` [n], n >= 1; memory for `room` >= n of them.

        The noise's variance is `noise` times the factor of each datum [n], or 1.
        """
        import torch

        self._kernel, self._noise = kernel, noise
        self.count, self.zero = len(taken), float(values[0])
        self._root = torch.zeros((room, room), dtype=torch.float64)
        self._rows = torch.zeros(room, dtype=torch.int64)
        self._solved = torch.zeros((2, room), dtype=torch.float64)
        self._rows[: self.count] = torch.from_numpy(taken)
        covariance = kernel.between(self.rows, self.rows)
        covariance.diagonal().add_(noise if factors is None else torch.from_numpy(noise * factors))
        self._root[: self.count, : self.count] = _root(covariance)
        right = torch.stack([torch.from_numpy(values - self.zero), torch.ones(self.count, dtype=torch.float64)], dim=1)
        self._solved[:, : self.count] = self.solve(right).T

    @property
    def rows(self) -> torch.Tensor:
        """The candidates of the data [n]."""
        return self._rows[: self.count]

    @property
    def solved(self) -> torch.Tensor:
        """R^-1 y and R^-1 1, [2, n]; a copy, for sums depend in the last bit on how rows lie in memory."""
        solved: torch.Tensor = self._solved[:, : self.count].contiguous()
        return solved

    def solve(self, right: torch.Tensor) -> torch.Tensor:
        """R^-1 of `right` [n, m]."""
        import torch

        root = self._root[: self.count, : self.count]
        solved: torch.Tensor = torch.linalg.solve_triangular(root, right, upper=False)
        return solved

    def append(self, row: int, value: float, factor: float = 1.0) -> tuple[torch.Tensor, float]:
        """One datum more, its noise times `factor`; the new row of R as (what is before the diagonal [n], that)."""
        import torch

        n = self.count
        if n == len(self._rows):
            self._grow()
        across = self.solve(self._kernel.between(self.rows, torch.tensor([row])))[:, 0]
        own = math.sqrt(max(self._kernel.variance + self._noise * factor - float(across @ across), _LEAST))
        new = torch.tensor([value - self.zero, 1.0], dtype=torch.float64)
        self._solved[:, n] = (new - self.solved @ across) / own
        self._root[n, :n], self._root[n, n], self._rows[n] = across, own, row
        self.count = n + 1
        return across, own

    def _grow(self) -> None:
        from torch.nn.functional import pad

        more = len(self._rows)
        self._root, self._rows = pad(self._root, (0, more, 0, more)), pad(self._rows, (0, more))
        self._solved = pad(self._solved, (0, more))

    def cut(self, count: int) -> None:
        """Forget all but the first `count` data."""
        self.count = count


def _root(covariance: torch.Tensor) -> torch.Tensor:
    from linear_operator.utils.cholesky import psd_safe_cholesky

    root: torch.Tensor = psd_safe_cholesky(covariance)
    return root
