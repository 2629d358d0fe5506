"""Target patterns of domains, drawn as rows of text, on the pixels of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UP, DOWN = "#", "."
LETTER_P = (
    "............",
    "..######....",
    "..######....",
    "..##..###...",
    "..##...##...",
    "..##..###...",
    "..######....",
    "..#####.....",
    "..##........",
    "..##........",
    "..##........",
    "............",
)


def drawn(rows: Sequence[str]) -> NDArray[np.float64]:
    """The pattern [rows, columns] of +1 (#) and -1 (.); the first line of text is row 0, at the smallest y.

    Raises ValueError where the rows are no rectangle, hold other signs, or want nothing written or everything.
    """
    if not rows or len({len(row) for row in rows}) != 1 or not rows[0]:
        raise ValueError("a pattern is a rectangle of text: rows of the same length")
    if strange := set("".join(rows)) - {UP, DOWN}:
        raise ValueError(f"a pattern holds {UP!r} (up) and {DOWN!r} (down) only, not {sorted(strange)}")
    signs = np.array([[1.0 if sign == UP else -1.0 for sign in row] for row in rows])
    if abs(signs.sum()) == signs.size:
        raise ValueError("a pattern needs places that are up and places that are down")
    return signs


def on_pixels(pattern: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """The pattern's sign at the centres of the pixels of an image of `shape` over the same rectangle."""
    row, column = ((np.arange(n) + 0.5) / n * m for n, m in zip(shape, pattern.shape, strict=True))
    return np.array(pattern[np.ix_(row.astype(np.intp), column.astype(np.intp))])
