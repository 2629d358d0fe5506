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


def sections(story: Story, reader: Reader, truth: Truth) -> list[Markup]:
    """Boundary and parameters from the last belief; nothing where the agent journalled none."""
    event = reader.last("belief")
    if event is None or "covariance" not in event.payload:
        return []
    known = Known.of(event.payload)
    with drawing.styled(drawing.PAGE):
        drawn = _boundary(known, truth)
    return [section("Phase diagram", drawn, numbers(known, truth))]


def _boundary(known: Known, truth: Truth) -> Markup:
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
    axes.set_xlabel("field [T]")
    axes.set_ylabel("temperature [K]")
    drawing.grid(axes)
    said = "Below the line the layer is ordered (line: median of the belief, band: 95 %)."
    if "coupling_K" in truth:
        said += " Dotted: that of the twin's moment and nearest-neighbour coupling."
    return figure(drawing.svg(sheet, "phases", said), said)


def boundary_K(parameters: NDArray[np.float64], fields_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ordering temperature [n] at fields [n] of (moment [K/T], coupling [K])."""
    from physics_priors.ising.closed_form import antiferromagnet_boundary

    moment, coupling = float(parameters[0]), max(float(parameters[1]), 1e-3)
    return np.array([antiferromagnet_boundary(coupling, moment * field) for field in fields_T.tolist()])
