"""What a report of arrange_dopants adds: all atoms on their ways, the sheet at the end, rates next to truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, figure, section
from experiments.report.story import Story
from experiments.report.tasks.move_dopant import SILICON, Look, Truth, looks_of, rates, sheet

Floats = NDArray[np.float64]
_REACH_NM = 0.6
"""In a small look nothing is taken for an atom that was seen farther away before."""
_HOP_NM = 0.07
_WHOLE = 3
"""A look with as many times the atoms of the smallest one is a survey."""


def sections(story: Story, reader: Reader, truth: Truth) -> list[Markup]:
    """The sections, each only where there is something for it."""
    with drawing.styled(drawing.PAGE):
        made = [_ways(reader), sheet(story, truth), rates(reader, truth)]
    return [part for part in made if part is not None]


def ways_of(looks: list[Look]) -> list[Floats]:
    """Where each silicon atom of the survey, the first look, was seen one after the other: [seen, 2] nm."""
    if not looks:
        return []
    _, place, species = looks[0]
    ways = [spot[None] for spot in place[species == SILICON]]
    most = min(len(atoms) for _, atoms, _ in looks)
    for _, place, species in looks[1:]:
        there = place[species == SILICON]
        if not len(there) or not ways:
            continue
        away = np.linalg.norm(np.array([way[-1] for way in ways])[:, None] - there, axis=-1)
        whole = len(place) > _WHOLE * most
        for atom, spot in zip(*linear_sum_assignment(away), strict=True):
            if whole or away[atom, spot] < _REACH_NM:
                ways[atom] = np.vstack([ways[atom], there[spot]])
    return ways


def _ways(reader: Reader) -> Markup | None:
    """The survey's lattice, and the way of each atom from an open to a full circle."""
    looks = looks_of(reader)
    ways = ways_of(looks)
    if not ways:
        return None
    drawn = drawing.sheet(4.2)
    axes = drawn.subplots()
    _, place, species = looks[0]
    x, y = place[species != SILICON].T
    axes.scatter(x, y, s=5, color=drawing.PAGE.off, linewidths=0)
    hops = 0
    for way in ways:
        hops += int((np.hypot(*np.diff(way, axis=0).T) > _HOP_NM).sum())
        axes.plot(*way.T, color=drawing.PAGE.data, linewidth=1.0)
        (x, y), (x_end, y_end) = way[0], way[-1]
        axes.scatter(x, y, s=30, facecolors="none", edgecolors=drawing.PAGE.best)
        axes.scatter(x_end, y_end, s=30, color=drawing.PAGE.best, linewidths=0)
    axes.set(aspect="equal", xlabel="x [nm]", ylabel="y [nm]")
    said = f"{len(looks)} looks, {len(ways)} atoms, {hops} moves by more than half a bond; from open to full circles."
    return section("The atoms on their ways", figure(drawing.svg(drawn, "ways", said), said))
