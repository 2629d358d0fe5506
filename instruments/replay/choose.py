"""From the arrays of a file to a recording: which is the data, which axis is which, and lengths in nanometres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Calibration
from instruments.errors import DataInvalid
from instruments.measurement import Axis
from instruments.replay.found import Contents, Found, FoundAxis, Role
from instruments.replay.lengths import NM
from instruments.replay.recording import Image, Recording, Spectra, edges


@dataclass(frozen=True)
class Choice:
    """What the caller said about a file that the file does not say, or says wrongly.

    unit_nm is the length of one unit of its positions; grid the (rows, columns) of a flat list of spectra; image
    names the structural image that lies beside the spectra.
    """

    dataset: str | None = None
    image: str | None = None
    axis_name: str | None = None
    axis_unit: str | None = None
    value_name: str | None = None
    value_unit: str | None = None
    unit_nm: float | None = None
    grid: tuple[int, int] | None = None


def assemble(contents: Contents, choice: Choice) -> Recording:
    """The recording that a file holds; raises DataInvalid where it is ambiguous, ill-shaped or without a scale."""
    arrays = _folded(contents.arrays, choice.grid)
    main = _main(arrays, choice.dataset)
    if main is not None:
        main = _attached(main, contents)
    if main is None or _is_image(main):
        chosen = [_attached(found, contents) for found in arrays] if main is None else [main]
        images = tuple(_image(found, choice.unit_nm) for found in chosen)
        return Recording(None, _of_one_field(_distinct(images)), contents.calibration)
    spectra = _spectra(main, choice)
    bare = Recording(spectra, (), _with_pixel(contents.calibration, spectra))
    others = replace(contents, arrays=tuple(found for found in arrays if _is_image(found)))
    if choice.image is not None:
        return replace(bare, images=structural(others, choice.image, bare))
    return replace(bare, images=_distinct(tuple(_beside(others.arrays, bare))))


def structural(contents: Contents, dataset: str | None, around: Recording) -> tuple[Image, ...]:
    """The structural images of a file; one without a scale of its own is taken to cover the field of `around`."""
    found = [a for a in contents.arrays if _is_image(a)]
    if dataset is not None:
        found = [_named(found, dataset)]
    if not found:
        raise DataInvalid("holds no image [rows, columns]")
    images = [_image(item, None) if _has_scale(item) else _stretched(item, around) for item in found]
    for image in images:
        if not _covers(image, around):
            raise DataInvalid(f"image {image.name!r} does not cover the field of the spectra: {around.field()}")
    return _distinct(tuple(images))


def _beside(arrays: Sequence[Found], around: Recording) -> list[Image]:
    """Images in the file of the spectra that say themselves that they show its field; others are no structure."""
    images = [_image(found, None) for found in arrays if _has_scale(found)]
    return [image for image in images if _covers(image, around)]


def _has_scale(found: Found) -> bool:
    return all(axis.values is not None and axis.unit.strip() in NM for axis in found.axes)


def _covers(image: Image, around: Recording) -> bool:
    """Whether the image reaches every place of the spectra; what it lacks at the rim is less than half a pixel."""
    if around.spectra is None:
        return True
    (x, y), (x0, x1, y0, y1) = (around.spectra.x_nm, around.spectra.y_nm), image.extent_nm
    return bool(x0 <= x[0] and x[-1] <= x1 and y0 <= y[0] and y[-1] <= y1)


def _main(arrays: Sequence[Found], dataset: str | None) -> Found | None:
    if not arrays:
        raise DataInvalid("holds no array of two or three dimensions: expected images or spectra [rows, columns, n]")
    if dataset is not None:
        return _named(arrays, dataset)
    spectra = [found for found in arrays if not _is_image(found)]
    if len(spectra) > 1:
        names = ", ".join(repr(found.where) for found in spectra)
        raise DataInvalid(f"holds several grids of spectra, name one with dataset: {names}")
    return spectra[0] if spectra else None


def _named(arrays: Sequence[Found], dataset: str) -> Found:
    plain = dataset.strip("/")
    matches = [f for f in arrays if f.where.strip("/") == plain] or [f for f in arrays if f.name == dataset]
    if len(matches) != 1:
        names = ", ".join(repr(found.where) for found in arrays)
        raise DataInvalid(f"dataset={dataset!r} fits {len(matches)} arrays of the file; it has: {names}")
    return matches[0]


def _is_image(found: Found) -> bool:
    return found.values.ndim == 2 and all(axis.role != "spectral" for axis in found.axes)


def _folded(arrays: Sequence[Found], grid: tuple[int, int] | None) -> list[Found]:
    """Flat lists of spectra [rows * columns, n] as grids; what is no such list is unchanged."""
    if grid is None:
        return list(arrays)
    places = grid[0] * grid[1]
    flat = [found.values.ndim == 2 and found.values.shape[0] == places for found in arrays]
    if not any(flat):
        shapes = ", ".join(f"{found.where} {found.values.shape}" for found in arrays)
        raise DataInvalid(f"grid={grid} needs a list of {places} spectra, [{places}, n]; the file has: {shapes}")
    return [_grid(found, grid) if is_flat else found for found, is_flat in zip(arrays, flat, strict=True)]


def _grid(found: Found, grid: tuple[int, int]) -> Found:
    axes = (FoundAxis(), FoundAxis(), replace(found.axes[1], role="spectral"))
    return replace(found, values=found.values.reshape(*grid, -1), axes=axes)


def _attached(found: Found, contents: Contents) -> Found:
    """The array with the axes that were asked for by name: rows are y, columns are x, the last axis is spectral."""
    roles: tuple[tuple[Found | None, int, Role], ...] = (
        (contents.y, 0, "y"),
        (contents.x, 1, "x"),
        (contents.spectral, len(found.axes) - 1, "spectral"),
    )
    axes = list(found.axes)
    for source, place, role in roles:
        if source is None:
            continue
        values = np.asarray(source.values)
        if values.dtype.kind not in "iuf" or values.shape != found.values.shape[place : place + 1]:
            raise DataInvalid(
                f"{source.where} ({values.dtype}, shape {values.shape}) cannot be axis {place} of {found.where}, "
                f"shape {found.values.shape}"
            )
        axes[place] = FoundAxis(source.name, source.unit, values.astype(np.float64), role)
    return replace(found, axes=tuple(axes))


def _spectra(found: Found, choice: Choice) -> Spectra:
    values, (y, x, spectral) = _in_order(_checked(found))
    values, y_nm = _rising(values, _positions(y, values.shape[0], choice.unit_nm, found), 0, found)
    values, x_nm = _rising(values, _positions(x, values.shape[1], choice.unit_nm, found), 1, found)
    axis = _spectral_axis(spectral, values.shape[2], choice, found)
    unit = found.unit if choice.value_unit is None else choice.value_unit
    return Spectra(choice.value_name or found.name, unit, values, axis, x_nm, y_nm)


def _spectral_axis(axis: FoundAxis, length: int, choice: Choice, found: Found) -> Axis:
    values = np.arange(length, dtype=np.float64) if axis.values is None else axis.values
    if values.shape != (length,):
        raise DataInvalid(f"{found.where}: its spectral axis has {values.size} values, the spectra have {length}")
    if not np.isfinite(values).all():
        raise DataInvalid(f"{found.where}: its spectral axis holds NaN or infinity")
    name = choice.axis_name or axis.name or "channel number"
    return Axis(name, axis.unit if choice.axis_unit is None else choice.axis_unit, values)


def _image(found: Found, unit_nm: float | None) -> Image:
    values, (y, x) = _in_order(_checked(found))
    values, y_nm = _rising(values, _positions(y, values.shape[0], unit_nm, found), 0, found)
    values, x_nm = _rising(values, _positions(x, values.shape[1], unit_nm, found), 1, found)
    for name, centres in (("y", y_nm), ("x", x_nm)):
        steps = np.diff(centres)
        if len(steps) and np.ptp(steps) > 0.05 * steps.mean():
            raise DataInvalid(f"{found.where}: the {name} positions of an image must be evenly spaced")
    return Image(found.name, found.unit, np.asarray(values, np.float64), (*edges(x_nm, y_nm), *edges(y_nm, x_nm)))


def _stretched(found: Found, around: Recording) -> Image:
    values, _ = _in_order(_checked(found))
    return Image(found.name, found.unit, np.asarray(values, np.float64), around.extent_nm())


def _checked(found: Found) -> Found:
    values = found.values
    if values.dtype.kind not in "biuf":
        raise DataInvalid(f"{found.where} holds {values.dtype}, expected real numbers")
    if values.ndim not in (2, 3):
        raise DataInvalid(
            f"{found.where} has shape {values.shape}: expected an image [rows, columns] or spectra [rows, columns, n]"
        )
    if values.size == 0:
        raise DataInvalid(f"{found.where} is empty: shape {values.shape}")
    return found


def _in_order(found: Found) -> tuple[NDArray[Any], tuple[FoundAxis, ...]]:
    """Values and axes as (y, x) or (y, x, spectral); what no name tells is taken in this order."""
    free = list(range(len(found.axes)))
    places: dict[str, int] = {}
    for role in ("spectral", "x", "y"):
        named = [i for i in free if found.axes[i].role == role]
        if len(named) > 1:
            raise DataInvalid(f"{found.where}: several of its axes are {role}")
        if named:
            places[role] = named[0]
            free.remove(named[0])
    wanted = ("y", "x", "spectral")[: len(found.axes)]
    if "spectral" in places and len(found.axes) == 2:
        return _as_line(found, places["spectral"])
    for role in wanted:
        if role not in places:
            places[role] = free.pop(0)
    order = tuple(places[role] for role in wanted)
    return found.values.transpose(order), tuple(found.axes[i] for i in order)


def _as_line(found: Found, spectral: int) -> tuple[NDArray[Any], tuple[FoundAxis, ...]]:
    """Spectra along a line as a grid of one row."""
    along = 1 - spectral
    y = FoundAxis("y", found.axes[along].unit, np.zeros(1), "y")
    return found.values.transpose(along, spectral)[None], (y, found.axes[along], found.axes[spectral])


def _positions(axis: FoundAxis, length: int, unit_nm: float | None, found: Found) -> NDArray[np.float64]:
    values = np.arange(length, dtype=np.float64) if axis.values is None else axis.values
    if values.shape != (length,):
        raise DataInvalid(f"{found.where}: axis {axis.name!r} has {values.size} positions for {length} points")
    scale = NM.get(axis.unit.strip()) if unit_nm is None else unit_nm
    if scale is None:
        said = f"are in {axis.unit!r}, which is no length" if axis.unit else "have no unit"
        raise DataInvalid(
            f"{found.where}: its positions {said}: give unit_nm, the length in nm of one unit (or pixel) of them"
        )
    return values * scale


def _rising(
    values: NDArray[Any], positions: NDArray[np.float64], axis: int, found: Found
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    if not np.isfinite(positions).all():
        raise DataInvalid(f"{found.where}: its positions hold NaN or infinity")
    steps = np.diff(positions)
    if (steps < 0).all() and len(steps):
        return np.flip(values, axis), positions[::-1]
    if not (steps > 0).all():
        raise DataInvalid(f"{found.where}: its positions along axis {axis} neither rise nor fall throughout")
    return values, positions


def _distinct(images: tuple[Image, ...]) -> tuple[Image, ...]:
    """Images with names of their own: a name that comes twice gets a number."""
    seen: dict[str, int] = {}
    named = []
    for image in images:
        seen[image.name] = seen.get(image.name, 0) + 1
        number = seen[image.name]
        named.append(image if number == 1 else replace(image, name=f"{image.name} {number}"))
    return tuple(named)


def _of_one_field(images: tuple[Image, ...]) -> tuple[Image, ...]:
    """The images themselves; DataInvalid where they are not of the same field, so that one has to be named."""
    first = np.array(images[0].extent_nm)
    pixel = max((first[1] - first[0]) / images[0].values.shape[1], (first[3] - first[2]) / images[0].values.shape[0])
    for image in images[1:]:
        if np.abs(np.array(image.extent_nm) - first).max() > pixel:
            names = ", ".join(repr(i.name) for i in images)
            raise DataInvalid(f"its images show different fields, name one with dataset: {names}")
    return images


def _with_pixel(calibration: Calibration, spectra: Spectra) -> Calibration:
    if len(spectra.x_nm) < 2:
        return calibration
    return replace(calibration, pixel_size_nm=float(spectra.x_nm[1] - spectra.x_nm[0]))
