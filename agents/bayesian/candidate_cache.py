"""What is kept of the data at the candidates: one row for each datum, from which mean and variance follow.

It grows by one pass over the candidates for each datum more; how it works, `candidate_posterior` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.factor import Factor
from agents.bayesian.kernel import SignalKernel

if TYPE_CHECKING:
    import torch

_CHUNK = 1024
"""Candidates that are worked on at a time: what belongs to them stays in the processor's cache."""


class CandidateCache:
    """V = R^-1 k(data, seen candidates) [n, seen], with the sums and the covariances that follow from it."""

    variance: torch.Tensor
    """Of the signal at the seen candidates [seen], as sums left it: rounding may take it below zero."""
    sums: torch.Tensor
    """V^T R^-1 y and V^T R^-1 1, [2, seen]."""
    between: torch.Tensor
    """Covariance [t, seen] of the signal at the tested candidates with that at the seen."""

    def __init__(
        self,
        kernel: SignalKernel,
        factor: Factor,
        seen: NDArray[np.int64],
        tested: NDArray[np.int64],
        *,
        single: bool,
        room: int,
    ) -> None:
        """Of the data of `factor`, at the candidates `seen`, `tested` [t] among them; memory for `room` data."""
        import torch

        self.kernel, self.factor, self.seen = kernel, factor, seen
        self._columns = torch.from_numpy(seen)
        self._tested = torch.from_numpy(tested)
        self.tested_at = torch.from_numpy(np.searchsorted(seen, tested))
        self._rows = torch.empty((room, len(seen)), dtype=torch.float32 if single else torch.float64)
        self._together = 64 if single else room  # single precision sums few terms well
        self.variance = torch.full((len(seen),), kernel.variance, dtype=torch.float64)
        self.sums = torch.zeros((2, len(seen)), dtype=torch.float64)
        self._condition()

    @property
    def kept_bytes(self) -> int:
        """Memory of what is kept of the data."""
        return self.factor.count * self._rows.shape[1] * self._rows.element_size()

    def solved_for(self, rows: torch.Tensor) -> torch.Tensor:
        """R^-1 k(data, candidates `rows`), [n, m]."""
        return self.factor.solve(self.kernel.between(self.factor.rows, rows))

    def covariance(self, rows: torch.Tensor) -> torch.Tensor:
        """Of the signal at candidates `rows` [m] with that at the seen, [m, seen]."""
        known = self._rows[: self.factor.count]
        taken_off = self.solved_for(rows).T.to(known.dtype) @ known
        return self.kernel.between(rows, self._columns) - taken_off

    def extend(self, row: int, value: float, noise_factor: float) -> None:
        """One datum more: one pass over the candidates."""
        import torch

        n = self.factor.count
        if n == len(self._rows):
            self._rows = torch.cat([self._rows, torch.empty_like(self._rows)])
        across, own = self.factor.append(row, value, noise_factor)
        new = self.kernel.between(torch.tensor([row]), self._columns)[0]
        for some in range(0, n, self._together):
            rows = slice(some, min(some + self._together, n))
            new -= across[rows].to(self._rows.dtype) @ self._rows[rows]
        new /= own
        self._rows[n] = new
        self.variance -= new.square()
        for of, solved in zip(self.sums, self.factor.solved[:, n].tolist(), strict=True):
            of.add_(new, alpha=solved)
        if len(self._tested):
            self.between.addr_(new[self.tested_at], new, alpha=-1.0)

    @contextmanager
    def trying(self, pending: NDArray[np.int64], noise_factors: NDArray[np.float64]) -> Iterator[None]:
        """The state as it will be once `pending` [p] were measured with `noise_factors` [p]; as it was, afterwards."""
        if not len(pending):
            yield
            return
        count = self.factor.count
        kept = self.variance, self.sums, self.between
        self.variance, self.sums, self.between = (table.clone() for table in kept)
        try:
            for row, noise_factor in zip(pending, noise_factors, strict=True):
                self.extend(int(row), self.factor.zero, float(noise_factor))
            yield
        finally:
            self.factor.cut(count)
            self.variance, self.sums, self.between = kept

    def _condition(self) -> None:
        """On all data of the factor at once."""
        import torch

        n = self.factor.count
        for part in parts(np.arange(len(self.seen))):
            solved = self.solved_for(self._columns[part[0] : part[-1] + 1])
            here = slice(int(part[0]), int(part[-1]) + 1)
            self._rows[:n, here] = solved
            self.variance[here] -= solved.square().sum(dim=0)
            self.sums[:, here] = self.factor.solved @ solved
        known = self._rows[:n].to(torch.float64) if len(self._tested) else self._rows[:0].to(torch.float64)
        self.between = self.kernel.between(self._tested, self._columns) - known[:, self.tested_at].T @ known


def parts(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Candidates `rows` [m] in pieces that are worked on at a time."""
    return [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
