"""What a report of write_vacancies adds: the looks, what is really there, the fluence, the rate that was believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, el, figure, section
from experiments.report.story import Story

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Truth = dict[str, NDArray[Any]]
Look = tuple[int, NDArray[np.float64], NDArray[np.float64]]
_FRAMES = 4
_SULPHUR = 16
_KINDS = ("lost to the beam", "hopped into a vacancy", "collapsed at a hole", "healed")


def sections(story: Story, reader: Reader, truth: Truth) -> list[Markup]:
    """The sections, each only where there is something for it."""
    with drawing.styled(drawing.PAGE):
        made = [_looks(story, reader), _sample(story, truth), _rate(reader, truth, story)]
    return [part for part in made if part is not None]


def looks_of(reader: Reader) -> list[Look]:
    """Step, positions [n, 2] nm and brightness [n] of the sulphur columns of every look, in order."""
    found: list[Look] = []
    for event in reader.events(kinds=("result",)):
        channels = event.payload["measurement"].channels
        if "position" in channels and "intensity" in channels and "species" in channels:
            sulphur = np.asarray(channels["species"].values) == _SULPHUR
            place, bright = (np.asarray(channels[n].values, dtype=float)[sulphur] for n in ("position", "intensity"))
            found.append((event.step, place, bright))
    return found


def _looks(story: Story, reader: Reader) -> Markup | None:
    looks = looks_of(reader)
    if not looks:
        return None
    shown = [looks[i] for i in sorted({round(x) for x in np.linspace(0, len(looks) - 1, _FRAMES)})]
    level = float(np.median(looks[0][2]))
    sheet = drawing.sheet(2.6)
    panels = sheet.subplots(1, len(shown), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (step, place, bright) in zip(panels, shown, strict=True):
        dots = axes.scatter(*place.T, c=bright / level, s=10, vmin=0.2, vmax=1.2, cmap=drawing.FIELD)
        _ring(axes, story)
        axes.set(aspect="equal", title="survey" if step < 0 else f"step {step}", xlabel="x [nm]")
    panels[0].set_ylabel("y [nm]")
    sheet.colorbar(dots, ax=list(panels), label="brightness over the survey's median")
    said = f"Sulphur columns in {len(shown)} of {len(looks)} looks; ringed: the targets. One atom less is 0.6."
    return section("What the looks showed", figure(drawing.svg(sheet, "looks", said), said))


def _sample(story: Story, truth: Truth) -> Markup | None:
    """What only the twin knew: atoms missing, and where the electrons went."""
    if not {"species", "home", "positions_nm", "fluence_e_A2", "extent_nm"} <= set(truth):
        return None
    drawn = _sample_figure(story, truth)
    gone, metal = missing(truth)
    said = f"{int(gone.sum())} sulphur atoms are missing"
    said += f" and {metal} metal atoms: a hole." if metal else ", no metal: no hole."
    said += (
        f" Peak fluence {float(np.max(truth['fluence_e_A2'])):.3g} e/A^2, mean {np.mean(truth['fluence_e_A2']):.3g}."
    )
    events = np.asarray(truth.get("events", np.empty((0, 4))))
    counts = [f"{int((events[:, 2] == kind).sum())} {name}" for kind, name in enumerate(_KINDS)] if len(events) else []
    told = [el("p", "Events: " + ", ".join(counts) + ".")] if counts else []
    return section("What is really there", figure(drawing.svg(drawn, "sample", said), said), *told)


def missing(truth: Truth) -> tuple[NDArray[np.bool_], int]:
    """Which sites [N] lack their sulphur, and how many metal atoms are gone."""
    empty = np.asarray(truth["species"]) == 0
    sulphur = np.asarray(truth["home"]) == _SULPHUR
    return np.asarray(empty & sulphur), int((empty & ~sulphur).sum())


def _sample_figure(story: Story, truth: Truth) -> Figure:
    gone, _ = missing(truth)
    place, metal = np.asarray(truth["positions_nm"])[:, :2], np.asarray(truth["home"]) != _SULPHUR
    width, height = (float(side) / 2 for side in truth["extent_nm"])
    sheet = drawing.sheet(3.7)
    left, right = sheet.subplots(1, 2)
    left.scatter(*place[metal].T, s=14, color=drawing.PAGE.off, label="metal")
    left.scatter(*place[~metal & ~gone].T, s=5, color=drawing.PAGE.data, label="sulphur")
    left.scatter(*place[gone].T, s=26, marker="x", color=drawing.PAGE.best, label="missing")
    _ring(left, story)
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
    left.set(aspect="equal", title="Atoms at the end", xlabel="x [nm]", ylabel="y [nm]")
    extent = (-width, width, -height, height)
    shown = np.log10(np.maximum(np.asarray(truth["fluence_e_A2"]), 1.0))
    image = right.imshow(shown, origin="lower", extent=extent, cmap=drawing.FIELD)
    right.set(title="Fluence", xlabel="x [nm]")
    sheet.colorbar(image, ax=right, label="log10 of e/A^2")
    return sheet


def _rate(reader: Reader, truth: Truth, story: Story) -> Markup | None:
    """The posterior over the rate of losses, next to the truth."""
    last = reader.last("belief")
    if last is None or "gamma_shape" not in last.payload:
        return None
    shape, rate = float(last.payload["gamma_shape"]), float(last.payload["gamma_rate_megaelectron"])
    true = true_rate(truth, story)
    sheet = drawing.sheet(2.4)
    axes = sheet.subplots()
    top = max(4 * shape / rate, 1.3 * (true or 0.0))
    x = np.linspace(top / 400, top, 400)
    log = (shape - 1) * np.log(x) - rate * x
    axes.plot(x, np.exp(log - log.max()), color=drawing.PAGE.data, label="posterior")
    if true is not None:
        axes.axvline(true, color=drawing.PAGE.best, label="truth, at the targets")
    axes.set(xlabel="losses per 1e6 electrons on a column", ylabel="density, scaled", yticks=[])
    axes.legend()
    low, high = (float(v) for v in np.ravel(last.payload["interval_95"]))
    said = f"After step {last.step}: {shape / rate:.3g}, 95 % between {low:.3g} and {high:.3g}."
    said += f" Truth: {true:.3g}, with the beam on the middle of the column." if true is not None else ""
    told = _offset(last.payload, truth)
    return section("How fast sulphur is lost", figure(drawing.svg(sheet, "rate", said), said), *told)


def _offset(belief: dict[str, Any], truth: Truth) -> list[Markup]:
    """By how much the beam is believed to be off, next to the truth."""
    if "offset_nm" not in belief:
        return []
    (x, y), (dx, dy) = (1e3 * np.ravel(belief[name]) for name in ("offset_nm", "offset_sd_nm"))
    said = f"The parked beam is believed to be off by ({x:.0f} ± {dx:.0f}, {y:.0f} ± {dy:.0f}) pm"
    if "park_nm" in truth:
        true = 1e3 * np.ravel(truth["park_nm"])
        said += f"; the truth, drift since the last look aside: ({true[0]:.0f}, {true[1]:.0f}) pm"
    return [el("p", said + ".")]


def true_rate(truth: Truth, story: Story) -> float | None:
    """Losses per 1e6 electrons in the middle of a target column, averaged over the targets."""
    targets = _targets(story)
    if not {"loss_barn", "probe_peak_1_nm2", "positions_nm", "home"} <= set(truth) or not len(targets):
        return None
    sulphur = np.flatnonzero(np.asarray(truth["home"]) == _SULPHUR)
    place = np.asarray(truth["positions_nm"])[sulphur, :2]
    column = [sulphur[np.hypot(*(place - target).T) < 0.1] for target in targets]
    barn = [float(np.asarray(truth["loss_barn"])[sites].sum()) for sites in column if len(sites)]
    return float(np.mean(barn) * 1e-10 * np.ravel(truth["probe_peak_1_nm2"])[0] * 1e6) if barn else None


def _targets(story: Story) -> NDArray[np.float64]:
    """Places [n, 2] of the targets as the survey saw them; the first candidate is a look."""
    places = story.brief.get("positions_nm")
    return np.empty((0, 2)) if places is None else np.asarray(places, dtype=float)[1:]


def _ring(axes: Axes, story: Story) -> None:
    x, y = _targets(story).T
    axes.scatter(x, y, s=60, facecolors="none", edgecolors=drawing.PAGE.best, linewidths=0.8)
