"""What a model of the candidates answers, whatever it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Rows = NDArray[np.int64]


class CandidateModel(Protocol):
    """Mean and variance in standardised values, of the candidates that are seen; see `CandidatePosterior`."""

    @property
    def location(self) -> float:
        """By what values are shifted when they are standardised."""
        ...

    @property
    def scale(self) -> float:
        """By what values are divided when they are standardised."""
        ...

    @property
    def seen(self) -> Rows:
        """The candidates that mean and variance are of, in increasing order."""
        ...

    def mean(self) -> torch.Tensor:
        """Mean [seen]."""
        ...

    def ahead(self, pending: Rows) -> torch.Tensor:
        """Variance [seen], without noise, once the candidates `pending` will have been measured."""
        ...

    def gain(self, pending: Rows) -> torch.Tensor:
        """By how much [seen] a measurement of each, after `pending`, lowers the mean variance of the tested."""
        ...

    def tested_variance(self) -> float:
        """Mean variance of the tested candidates."""
        ...

    def everywhere(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance at all candidates [N]."""
        ...

    def highest(self, rows: Rows) -> float:
        """The highest mean among candidates `rows` [m], m >= 1."""
        ...
