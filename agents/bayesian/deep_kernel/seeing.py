"""What the networks are given of a candidate: the leading components of the patches around it, of all images together.

Rotation-invariant features are moduli of circular harmonics: an image is filtered with w(r) exp(i m phi), w being a
ring of the patch, and of the outcome only the modulus is kept for m > 0. To turn the image multiplies the filtered
one by a phase, so the features of a place stay what they are: exactly for quarter turns and for mirrors, nearly for
other angles, where the pixels themselves change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.features import Features, Kind, features, principal_components
from agents.options import Options
from agents.protocol import Problem

Floats = NDArray[np.float64]
_ORDERS = 3
"""The highest m: three-fold patterns."""


@dataclass(frozen=True)
class Seen:
    """Where candidates lie in the unit cube [n, p], p = 0 where the model is not told, and features [n, K] of them.

    The strongest feature has a standard deviation of 1. `plain` is what the plain Gaussian process would see.
    """

    positions: Floats
    features: Floats
    plain: Features


def seen(
    problem: Problem,
    options: Options,
    kind: Kind,
    patch_pixels: int,
    components: int,
    images: Sequence[str],
    rotation_invariant: bool,
) -> Seen:
    """At most `components` features of every option; of its position, where no patches are asked for or there are none.

    Raises AgentError as `features` does.
    """
    plain = features(problem, options, kind, patch_pixels, components, images)
    if rotation_invariant and plain.sees_patches:
        chosen = {name: problem.images[name] for name in images or problem.images}
        turned = replace(problem, images=rings(chosen, patch_pixels))
        plain = replace(features(turned, options, kind, 1, 1), label=f"{plain.label}, however it is turned")
    plain = replace(plain, label=f"deep kernel: {plain.label}")
    of_patches = np.array([name.startswith("patch") for name in plain.names])
    looked_at = plain.inputs[:, of_patches] if plain.sees_patches else plain.inputs
    return Seen(plain.inputs[:, ~of_patches], _components(looked_at, components), plain)


def _components(table: Floats, components: int) -> Floats:
    scores = principal_components(table, components)
    scale = float(scores[:, 0].std())
    return scores / scale if scale > 0 else scores


def rings(images: Mapping[str, Floats], patch_pixels: int) -> dict[str, Floats]:
    """Rotation-invariant images [rows, columns] made of each image: the mean of every ring of a patch and the moduli
    of its harmonics; missing pixels count as the mean.
    """
    from scipy.ndimage import correlate

    found = {}
    for name, image in images.items():
        known = np.isfinite(image)
        filled = np.where(known, image, image[known].mean() if known.any() else 0.0)
        for label, kernel in _harmonics(patch_pixels).items():
            real, imaginary = (correlate(filled, part, mode="mirror") for part in (kernel.real, kernel.imag))
            found[f"{name} {label}"] = real if label.endswith("m0") else np.hypot(real, imaginary)
    return found


def _harmonics(patch_pixels: int) -> dict[str, NDArray[np.complex128]]:
    """Filters [size, size] by the names of their ring and order."""
    half = patch_pixels // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    kernels = {}
    for ring in range(half + 1):
        within = np.abs(radius - ring) <= 0.5
        for order in range(_ORDERS + 1 if ring else 1):
            kernel = np.where(within, np.exp(1j * order * angle), 0.0) / within.sum()
            kernels[f"r{ring} m{order}"] = kernel
    return kernels
