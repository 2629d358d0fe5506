"""The places a task chooses from: a grid over the field or the sites of a recording, and their normalised actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Capabilities, Field


@dataclass(frozen=True)
class Places:
    """Candidate places, row-major: positions_nm [n, 2] and their actions [n, 2] = (x, y), the field as [-1, 1]."""

    field: Field
    shape: tuple[int, int]
    positions_nm: NDArray[np.float64]
    regular: bool

    @staticmethod
    def of(capabilities: Capabilities, shape: tuple[int, int]) -> Places:
        """The recorded sites where there are any, else the cell centres of a grid of (rows, columns) on the field."""
        field = capabilities.field
        if capabilities.sites is not None:
            return Places(field, capabilities.sites.shape, capabilities.sites.positions_nm, False)
        rows, columns = shape
        x, y = (2 * (np.arange(count) + 0.5) / count - 1 for count in (columns, rows))
        actions = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        return Places(field, shape, to_nm(field, actions), True)

    def __len__(self) -> int:
        return len(self.positions_nm)

    @property
    def actions(self) -> NDArray[np.float64]:
        """[n, 2] actions, one for each place; clipped, so that a site on the border is not lost to rounding."""
        center, half = _frame(self.field)
        return np.clip((self.positions_nm - center) / half, -1.0, 1.0)

    def nearest(self, actions: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index [B] of the place next to each action [B, 2]."""
        if self.regular:
            counts = np.array(self.shape[::-1])
            cell = np.clip(np.floor((actions + 1) / 2 * counts), 0, counts - 1).astype(np.int64)
            return np.asarray(cell[:, 1] * self.shape[1] + cell[:, 0])
        wanted = to_nm(self.field, actions)
        away = np.square(wanted[:, None, :] - self.positions_nm[None]).sum(-1)
        return np.asarray(np.argmin(away, axis=1), dtype=np.int64)

    def pixels(self, image_shape: tuple[int, int] | None) -> NDArray[np.int64]:
        """(row, column) [n, 2] in an image of the whole field, or in the grid itself where there is no image."""
        if image_shape is None:
            return np.stack(np.unravel_index(np.arange(len(self)), self.shape), axis=-1, dtype=np.int64)
        counts = np.array(image_shape[::-1])
        cell = np.floor((self.actions + 1) / 2 * counts).astype(np.int64)
        return np.array(np.clip(cell, 0, counts - 1)[:, ::-1])

    def distances(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distance [B, n] of all places from the place `index` [B], in units of the field's diagonal."""
        diagonal = float(np.hypot(*self.field.size_nm))
        offset = self.positions_nm[None] - self.positions_nm[index][:, None]
        return np.asarray(np.sqrt(np.square(offset).sum(-1)) / diagonal)


def to_nm(field: Field, actions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions [..., 2] nm of normalised (x, y) actions."""
    center, half = _frame(field)
    return center + np.asarray(actions) * half


def extent_nm(field: Field) -> tuple[float, float, float, float]:
    """(x0, x1, y0, y1) of a field."""
    (x, y), (w, h) = field.center_nm, field.size_nm
    return (x - w / 2, x + w / 2, y - h / 2, y + h / 2)


def _frame(field: Field) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array(field.center_nm, dtype=float), np.array(field.size_nm, dtype=float) / 2
