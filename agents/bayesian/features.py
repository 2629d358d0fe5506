"""What the model sees of a candidate: where it lies, and the image around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.options import Options
from agents.protocol import AgentError, Problem

Kind = Literal["auto", "position", "patch", "position_and_patch"]


@dataclass(frozen=True)
class Features:
    """Inputs of the model in the unit cube, [n, d]; the name of each column; and in words what they are."""

    inputs: NDArray[np.float64]
    names: tuple[str, ...]
    label: str

    @property
    def sees_patches(self) -> bool:
        """Whether any of the inputs is cut from an image."""
        return any(name.startswith("patch") for name in self.names)


def features(
    problem: Problem, options: Options, kind: Kind, patch_pixels: int, components: int, images: Sequence[str] = ()
) -> Features:
    """Features of every option, `components` of each of the named `images`, of all of them where none is named.

    Raises AgentError where an image named is not there, or patches are asked for and there is no usable image.
    """
    seeing = replace(problem, images=_named(problem.images, images))
    chosen, label = kind, kind.replace("_", " ")
    if kind == "auto":
        seen = problem.pixels is not None and bool(_images(seeing.images))
        chosen = "position_and_patch" if seen else "position"
        label = "position and patch" if seen else "position only, for there is no image"
    parts: list[tuple[NDArray[np.float64], str]] = []
    if chosen != "patch":
        parts.append((options.unit, "position"))
    if chosen != "position":
        parts.append((_patch_components(seeing, len(options), patch_pixels, components), "patch"))
    names = tuple(f"{name}_{i}" for part, name in parts for i in range(part.shape[1]))
    return Features(np.hstack([part for part, _ in parts]), names, label)


def _patch_components(problem: Problem, count: int, patch_pixels: int, components: int) -> NDArray[np.float64]:
    images = _images(problem.images)
    if problem.pixels is None or not images:
        raise AgentError("there is no structural image to cut patches from: use features=position")
    if np.shape(problem.pixels) != (count, 2):
        raise AgentError(f"pixels must have shape [{count}, 2], got {np.shape(problem.pixels)}")
    tables = [patches(image, problem.pixels, patch_pixels) for image in images]
    return np.hstack([_into_unit_cube(principal_components(table, components)) for table in tables])


def _named(images: Mapping[str, NDArray[np.float64]], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    missing = [name for name in names if name not in images]
    if missing:
        there = ", ".join(sorted(images)) or "none at all"
        raise AgentError(f"there is no image {', '.join(map(repr, missing))} to cut patches from: there is {there}")
    return {name: image for name, image in images.items() if not names or name in names}


def _images(images: Mapping[str, NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """The images that vary at all, in the order of their names, standardised; pixels without a value become zero."""
    standard = []
    for _, image in sorted(images.items()):
        finite = image[np.isfinite(image)]
        if finite.size and finite.std() > 0:
            scaled = (image - finite.mean()) / finite.std()
            standard.append(np.where(np.isfinite(scaled), scaled, 0.0))
    return standard


def patches(image: NDArray[np.float64], pixels: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Square cut-outs around each pixel (row, column), [n, size * size]; the image is mirrored at its edges."""
    half = size // 2
    rows, columns = image.shape
    if pixels.min() < 0 or pixels[:, 0].max() >= rows or pixels[:, 1].max() >= columns:
        raise AgentError(f"some candidates' pixels lie outside the image of {rows} x {columns} pixels")
    padded = np.pad(image, half, mode="reflect" if half < min(rows, columns) else "symmetric")
    windows: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return windows[pixels[:, 0], pixels[:, 1]].reshape(len(pixels), -1)


def principal_components(table: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """Scores [n, at most components] of the rows; the sign of an axis is that of its largest loading, made positive.

    Components that explain nothing (below 1e-10 of the first) are left out, but never the first.
    """
    centred = table - table.mean(axis=0)
    _, weights, axes = np.linalg.svd(centred, full_matrices=False)
    kept = max(1, min(components, int(np.sum(weights > 1e-10 * weights[0]))))
    axes = axes[:kept]
    largest = np.take_along_axis(axes, np.argmax(np.abs(axes), axis=1)[:, None], axis=1)
    return np.asarray(centred @ (axes * np.where(largest < 0, -1.0, 1.0)).T, dtype=np.float64)


def _into_unit_cube(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores centred in the unit cube by one scale for all columns of an image, so that weak components stay weak."""
    low, high = scores.min(axis=0), scores.max(axis=0)
    widest = float(np.max(high - low))
    centred: NDArray[np.float64] = scores - (low + high) / 2
    return 0.5 + centred / (widest if widest > 0 else 1.0)
