"""The phase diagram that was learned: the boundary with its band, and where it was looked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, figure, section
from experiments.report.story import Story
from experiments.report.tasks.learn_interactions import Known, numbers

Truth = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]


def sections(story: Story, reader: Reader, truth: Truth) -> list[Markup]:
    """Boundary and parameters from the last belief; nothing where the agent journalled none."""
    event = reader.last("belief")
    if event is None or "covariance" not in event.payload:
        return []
    known = Known.of(event.payload)
    with drawing.styled(drawing.PAGE):
        drawn = _boundary(known, truth, visited(story))
    return [section("Phase diagram", drawn, numbers(known, truth))]


def visited(story: Story) -> Floats:
    """Field, temperature and how many images were taken there, [n, 3]."""
    images, pixels = story.brief.get("images") or {}, story.brief.get("pixels")
    if pixels is None or not {"field_T", "temperature_K"} <= set(images):
        return np.empty((0, 3))
    row, column = np.asarray(pixels)[[s.candidate for s in story.steps if s.candidate is not None]].reshape(-1, 2).T
    places = np.stack([np.asarray(images[name])[row, column] for name in ("field_T", "temperature_K")], axis=1)
    conditions, counts = np.unique(places, axis=0, return_counts=True)
    return np.column_stack([conditions, counts]).astype(np.float64)


def _boundary(known: Known, truth: Truth, looked: Floats) -> Markup:
    fields = np.linspace(0.0, 12.0, 61)
    draws = np.random.default_rng(0).multivariate_normal(known.mean, known.covariance, 100)
    curves = np.array([boundary_K(d, fields) for d in draws])
    sheet = drawing.sheet(3.2)
    axes = sheet.subplots()
    low, middle, high = np.quantile(curves, [0.025, 0.5, 0.975], axis=0)
    axes.fill_between(fields, low, high, color=drawing.PAGE.data, alpha=0.25, lw=0)
    axes.plot(fields, middle, color=drawing.PAGE.data)
    if {"moment_K_T", "coupling_K"} <= set(truth):
        true = np.array([float(truth["moment_K_T"]), float(truth["coupling_K"])])
        axes.plot(fields, boundary_K(true, fields), color=drawing.PAGE.ink, ls=":", lw=1.2)
    axes.scatter(looked[:, 0], looked[:, 1], s=14 * looked[:, 2], color=drawing.PAGE.ink, zorder=3)
    axes.set_xlabel("field [T]")
    axes.set_ylabel("temperature [K]")
    drawing.grid(axes)
    said = "Below the line the layer is ordered (line: median of the belief, band: 95 %)."
    said += " Dots: where it was looked, larger the more often."
    if "coupling_K" in truth:
        said += " Dotted: that of the twin's moment and nearest-neighbour coupling."
    return figure(drawing.svg(sheet, "phases", said), said)


def boundary_K(parameters: Floats, fields_T: Floats) -> Floats:
    """Ordering temperature [n] at fields [n] of (moment [K/T], coupling [K])."""
    from physics_priors.ising.closed_form import antiferromagnet_boundary

    moment, coupling = float(parameters[0]), max(float(parameters[1]), 1e-3)
    return np.array([antiferromagnet_boundary(coupling, moment * field) for field in fields_T.tolist()])
