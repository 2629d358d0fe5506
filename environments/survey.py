"""The survey: the structural image a map begins with, the plan settled before it, and what is shown of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from environments.curves import survey_images
from environments.places import Places, extent_nm
from environments.robust import masked_median, masked_scale
from environments.sweeps import Sweep, resolved
from environments.task import Brief
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_S, Bounds

CLIP = 10.0
"""Scaled numbers are shown up to this many robust standard deviations."""
Floats = NDArray[np.float64]
Pixels = Annotated[int, Bounds("pixels", 1, 4096)]


@dataclass(frozen=True)
class Survey:
    """The structural image: (rows, columns) and dwell per pixel; `channel` of the observation, else the first."""

    shape: tuple[Pixels, Pixels] = (64, 64)
    dwell_s: Annotated[float, POSITIVE_S] = 1e-3
    channel: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))


@dataclass(frozen=True)
class Plan:
    """What is settled at the start and common to all rows; no frame where the instrument takes no image."""

    places: Places
    kind: str
    sweep: Mapping[str, Any]
    channel: str
    unit: str
    frame: ScanImage | None
    image_channels: tuple[str, ...]

    @property
    def side_nm(self) -> float:
        """The field's larger side."""
        return float(max(self.places.field.size_nm))

    @property
    def pixels(self) -> tuple[int, int]:
        """(rows, columns) of the image; (0, 0) without one."""
        return (0, 0) if self.frame is None else self.frame.shape


def planned(capabilities: Capabilities, sweep: Sweep, channel: str, shape: tuple[int, int], survey: Survey) -> Plan:
    """The plan on an instrument; NotSupported where it lacks the curve, the channel or the image's channel."""
    kind = sweep.kind
    if kind not in capabilities.requests:
        known = ", ".join(sorted(capabilities.requests))
        raise NotSupported(f"{capabilities.name} has no {kind}; it has: {known} (set task.sweep accordingly)")
    channels = capabilities.channels[kind]
    own = _chosen(channel, channels, f"task.channel of {kind}")
    frame, images = _frame(capabilities, survey)
    places = Places.of(capabilities, shape)
    return Plan(places, kind, resolved(sweep, capabilities), own, channels[own], frame, images)


def _frame(capabilities: Capabilities, survey: Survey) -> tuple[ScanImage | None, tuple[str, ...]]:
    if "ScanImage" not in capabilities.requests:
        return None, ()
    area, known = capabilities.field, capabilities.channels["ScanImage"]
    frame = ScanImage(area.center_nm, area.size_nm, survey.shape, survey.dwell_s)
    first = _chosen(survey.channel or next(iter(known)), known, "task.survey_image.channel")
    return frame, (first, *(name for name in known if name != first))


def _chosen(name: str, known: Mapping[str, str], what: str) -> str:
    if not name and len(known) == 1:
        return next(iter(known))
    if name not in known:
        raise NotSupported(f"{what} {name!r}: choose one of {', '.join(known)}")
    return name


def unseen(plan: Plan, rows: int) -> dict[str, Floats]:
    """Images [B, rows, columns] before the survey: all NaN."""
    return {name: np.full((rows, *plan.pixels), np.nan) for name in plan.image_channels}


def survey_requests(plan: Plan, rows: int) -> Sequence[RequestBatch]:
    """The same frame for every row; none where the instrument takes no image."""
    frame = plan.frame
    if frame is None:
        return []
    shared = {name: getattr(frame, name) for name in frame.__dataclass_fields__ if name != "center_nm"}
    return [RequestBatch(frame.kind, rows, {"center_nm": np.tile(frame.center_nm, (rows, 1))}, shared)]


def seen(plan: Plan, results: Sequence[ResultBatch], rows: int) -> dict[str, Floats] | None:
    """Images [B, rows, columns] by channel, the shown one first; None where there was nothing to survey."""
    if not results or plan.frame is None:
        return None
    return survey_images(results[0], plan.image_channels, rows, plan.frame.shape)


def map_brief(
    plan: Plan,
    images: Mapping[str, Floats],
    row: int,
    objective: Literal["maximise", "map"],
    value_name: str,
    value_unit: str,
) -> Brief:
    """What an agent and a reader are told of a map: its value, its candidates, and a row's images as measured."""
    return Brief(
        objective=objective,
        value_name=value_name,
        value_unit=value_unit,
        candidates=plan.places.actions,
        positions_nm=plan.places.positions_nm.copy(),
        pixels=plan.places.pixels(None if plan.frame is None else plan.frame.shape),
        images={name: _filled(image[row]) for name, image in images.items() if np.isfinite(image[row]).any()},
        extent_nm=extent_nm(plan.places.field),
    )


def _filled(image: Floats) -> Floats:
    """The image, its missing pixels (a survey ended early) standing at the median of the others."""
    return np.where(np.isfinite(image), image, np.nanmedian(image))


def standard(values: Floats, known: NDArray[np.bool_], middle: Floats, scale: Floats) -> Floats:
    """Values in robust standard deviations from the middle, clipped; 0 where not known or nothing to scale with."""
    usable = known & np.isfinite(middle) & (scale > 0)
    scaled = (np.where(usable, values, 0.0) - np.where(usable, middle, 0.0)) / np.where(usable, scale, 1.0)
    return np.clip(scaled, -CLIP, CLIP)


def standardised(values: Floats) -> Floats:
    """Values [B, n] scaled by their own median and robust standard deviation; 0 where there is none."""
    known = np.isfinite(values)
    middle = masked_median(values, known)
    return standard(values, known, middle[:, None], masked_scale(values, known, middle)[:, None])
