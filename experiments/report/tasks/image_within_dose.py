"""What a report of image_within_dose adds: where was looked, how exact it is, and by how much it was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.lattice import atoms_of
from environments.localising import Located, first, updated
from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, el, figure, section
from experiments.report.story import Story
from instruments.batch import ResultBatch
from instruments.requests import AtomPositions, ScanImage

Truth = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]
_AROUND_NM = 0.36
_EDGE_NM = 0.05


@dataclass(frozen=True)
class Look:
    """One look: its frame, and its electrons over the frame's area [e/nm^2]."""

    frame: ScanImage
    fluence: float


def sections(story: Story, reader: Reader, truth: Truth) -> list[Markup]:
    """The sections, each only where there is something for it."""
    looks, atoms = located(reader)
    if atoms is None:
        return []
    with drawing.styled(drawing.PAGE):
        made = [_where(story, looks, atoms), _how_exact(story, atoms, truth)]
    return [part for part in made if part is not None]


def located(reader: Reader) -> tuple[list[Look], Located | None]:
    """All looks of a journal, and what they say together; as the task joins them."""
    looks: list[Look] = []
    atoms: Located | None = None
    for event in reader.events(kinds=("result",)):
        measurement = event.payload["measurement"]
        if not isinstance(measurement.request, AtomPositions):
            continue
        frame = measurement.request.frame
        look = Look(frame, measurement.cost.electrons / (frame.size_nm[0] * frame.size_nm[1]))
        position, intensity, species = atoms_of(ResultBatch.of(measurement), 1)
        fluence = np.array([look.fluence])
        covered = None if atoms is None else _covered(atoms, frame)
        if atoms is None or covered is None:
            atoms = first(position, intensity, fluence, species)
        else:
            atoms = updated(atoms, position, intensity, fluence, covered)
        looks.append(look)
    return looks, atoms


def _covered(atoms: Located, frame: ScanImage) -> NDArray[np.bool_]:
    away = np.abs(atoms.places_nm + atoms.shift_nm[:, None] - np.array(frame.center_nm))
    return np.asarray((away < np.array(frame.size_nm) / 2 - _EDGE_NM).all(axis=-1))


def _where(story: Story, looks: Sequence[Look], atoms: Located) -> Markup:
    from matplotlib.patches import Rectangle

    sheet = drawing.sheet(3.6)
    left, right = sheet.subplots(1, 2, sharex=True, sharey=True)
    place = atoms.places_nm[0]
    for look in looks:
        (x, y), (width, height) = look.frame.center_nm, look.frame.size_nm
        box = Rectangle((x - width / 2, y - height / 2), width, height, fill=False, edgecolor=drawing.PAGE.data)
        left.add_patch(box)
    left.scatter(place[:, 0], place[:, 1], s=4, color=drawing.PAGE.off)
    sd_pm = 1e3 * atoms.sd_nm[0]
    dots = right.scatter(place[:, 0], place[:, 1], c=np.log10(np.clip(sd_pm, 0.05, 20)), s=10, cmap=drawing.DOUBT)
    for axes, title in ((left, "Frames"), (right, "Precision claimed")):
        defects = _defects(story)
        axes.scatter(defects[:, 0], defects[:, 1], s=60, facecolors="none", edgecolors=drawing.PAGE.best)
        axes.set(aspect="equal", title=title, xlabel="x [nm]")
    left.set_ylabel("y [nm]")
    sheet.colorbar(dots, ax=right, label="log10 of standard deviation [pm]")
    said = f"{len(looks)} looks; ringed: the defects that the survey found."
    return section("Where it looked", figure(drawing.svg(sheet, "looked", said), said))


def _how_exact(story: Story, atoms: Located, truth: Truth) -> Markup | None:
    """Errors around each defect, relative to each other, over what is claimed."""
    found = errors(story, atoms, truth)
    if not len(found):
        return None
    error_pm, claimed_pm = found.T
    sheet = drawing.sheet(2.6)
    axes = sheet.subplots()
    axes.hist(error_pm / claimed_pm, bins=24, density=True, color=drawing.PAGE.data, label="errors over claims")
    x = np.linspace(-4, 4, 200)
    axes.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color=drawing.PAGE.best, label="if claims were exact")
    axes.set(xlabel="error over claimed standard deviation", yticks=[])
    axes.legend()
    said = f"Around the defects: rms error {np.sqrt(np.mean(error_pm**2)):.2g} pm per coordinate,"
    said += f" claimed {np.sqrt(np.mean(claimed_pm**2)):.2g} pm, over {len(found) // 2} atoms."
    gone = int(((np.asarray(truth["species"]) == 0) & (np.asarray(truth["home"]) > 0)).sum())
    told = el("p", f"At the end {gone} atoms were missing in the whole sheet, those from the beginning included.")
    return section("How exact it is", figure(drawing.svg(sheet, "exact", said), said), told)


def errors(story: Story, atoms: Located, truth: Truth) -> Floats:
    """Error and claimed standard deviation [n, 2] pm of both coordinates of all atoms located around the defects."""
    if not {"positions_nm", "species", "home"} <= set(truth):
        return np.empty((0, 2))
    true = np.unique(np.round(np.asarray(truth["positions_nm"])[:, :2], 6), axis=0)
    place, sd = atoms.places_nm[0], atoms.sd_nm[0]
    made = []
    for defect in _defects(story):
        near = np.isfinite(sd) & (np.linalg.norm(place - defect, axis=1) <= _AROUND_NM)
        if near.sum() < 3:
            continue
        nearest = np.linalg.norm(place[near][:, None] - true[None], axis=-1).argmin(axis=1)
        away = place[near] - true[nearest]
        away = away - np.median(away, axis=0)
        made.append(1e3 * np.stack([away.ravel(), np.repeat(sd[near], 2)], axis=-1))
    return np.concatenate(made) if made else np.empty((0, 2))


def _defects(story: Story) -> Floats:
    """Places [n, 2] of the defects as the survey saw them; the first candidate is the whole field."""
    places = story.brief.get("positions_nm")
    return np.empty((0, 2)) if places is None else np.asarray(places, dtype=float)[1:]
