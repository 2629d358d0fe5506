"""What a report of move_dopant adds: the atom on its way, the sheet and its fluence at the end, rates next to truth."""

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

Truth = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]
Look = tuple[int, Floats, Floats]
_PANELS = 6
_VIEW_NM = 0.9
SILICON = 14
_SHOWN = ("largest_rate_s", "offset_x_nm", "offset_y_nm")


def sections(story: Story, reader: Reader, truth: Truth) -> list[Markup]:
    """The sections, each only where there is something for it."""
    with drawing.styled(drawing.PAGE):
        made = [_way(story, reader), sheet(story, truth), rates(reader, truth)]
    return [part for part in made if part is not None]


def looks_of(reader: Reader) -> list[Look]:
    """Step, positions [n, 2] nm and species [n] of the atoms of every look, in order; the survey is the first."""
    found: list[Look] = []
    for event in reader.events(kinds=("result",)):
        channels = event.payload["measurement"].channels
        if "position" in channels and "species" in channels:
            species = np.asarray(channels["species"].values, dtype=float)
            place = np.asarray(channels["position"].values, dtype=float)
            there = np.isfinite(species)
            found.append((event.step, place[there], species[there]))
    return found


def way_of(looks: list[Look], element: int = SILICON) -> Floats:
    """Where the dopant was in every look, [looks, 2] nm: the one nearest to where it was before; NaN for none."""
    way: list[Floats] = []
    for _, place, species in looks:
        there = place[species == element]
        if not len(there):
            way.append(np.full(2, np.nan))
            continue
        last = next((spot for spot in reversed(way) if np.isfinite(spot).all()), np.zeros(2))
        way.append(there[int(np.argmin(np.hypot(*(there - last).T)))])
    return np.array(way).reshape(-1, 2)


def moments(way: Floats, panels: int) -> list[int]:
    """The looks to show: the first, the last, and those after the dopant moved."""
    steps = np.hypot(*np.diff(way, axis=0).T) if len(way) > 1 else np.empty(0)
    moved = [0, *(int(i) + 1 for i in np.flatnonzero(steps > 0.07)), len(way) - 1]
    chosen = sorted(set(moved))
    return [chosen[round(x)] for x in np.linspace(0, len(chosen) - 1, min(panels, len(chosen)))]


def _way(story: Story, reader: Reader) -> Markup | None:
    """A filmstrip: the lattice of the survey, the atoms of the look, and the way until then."""
    looks = looks_of(reader)
    way = way_of(looks)
    if not len(looks) or not np.isfinite(way).any():
        return None
    shown = moments(way, _PANELS)
    middle = np.nanmean([np.nanmin(way, axis=0), np.nanmax(way, axis=0)], axis=0)
    half = max(_VIEW_NM, 0.3 + float(np.nanmax(np.abs(way - middle))))
    drawn = drawing.sheet(4.6 if len(shown) > 3 else 2.6)
    across = min(3, len(shown))
    panels = drawn.subplots(-(-len(shown) // across), across, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, number in zip(panels, shown, strict=False):
        _frame_of(axes, looks, way, number)
        axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    hops = int((np.hypot(*np.diff(way, axis=0).T) > 0.07).sum()) if len(way) > 1 else 0
    said = (
        f"{len(looks)} looks, in {hops} of which the atom had moved by more than half a bond; line: its way until then."
    )
    return section("The atom on its way", figure(drawing.svg(drawn, "way", said), said))


def _frame_of(axes: Axes, looks: list[Look], way: Floats, number: int) -> None:
    step, place, species = looks[number]
    carbon = place[species != SILICON]
    for atoms, size, colour in (
        (looks[0][1], 6, drawing.PAGE.off),
        (carbon, 8, drawing.PAGE.data),
        (way[number : number + 1], 30, drawing.PAGE.best),
    ):
        axes.scatter(atoms[:, 0], atoms[:, 1], s=size, color=colour, linewidths=0)
    axes.plot(*way[: number + 1].T, color=drawing.PAGE.best, linewidth=1.0)
    axes.set(aspect="equal", title="survey" if step < 0 else f"step {step}")


def sheet(story: Story, truth: Truth) -> Markup | None:
    """What only the twin knew: where the atoms are, where the electrons fell, and what happened."""
    if not {"species", "positions_nm", "fluence_e_A2", "extent_nm"} <= set(truth):
        return None
    place, species = np.asarray(truth["positions_nm"]), np.asarray(truth["species"])
    width, height = (float(side) / 2 for side in truth["extent_nm"])
    fluence = np.asarray(truth["fluence_e_A2"], dtype=float)
    drawn = drawing.sheet(3.4)
    left, right = drawn.subplots(1, 2)
    for z, colour, size, name in ((6, drawing.PAGE.data, 5, "carbon"), (14, drawing.PAGE.best, 30, "silicon")):
        x, y = place[species == z].T
        left.scatter(x, y, s=size, color=colour, linewidths=0, label=name)
    x, y = place[species == 0].T
    left.scatter(x, y, s=26, marker="x", color=drawing.PAGE.best, label="vacancy")
    left.legend(loc="upper right")
    left.set(aspect="equal", title="Atoms at the end", xlabel="x [nm]", ylabel="y [nm]")
    shown = np.log10(np.maximum(fluence, 1.0))
    image = right.imshow(shown, origin="lower", extent=(-width, width, -height, height), cmap=drawing.FIELD)
    right.set(title="Fluence", xlabel="x [nm]")
    drawn.colorbar(image, ax=right, label="log10 of e/A^2")
    said = f"Peak fluence {fluence.max():.3g} e/A^2, mean {fluence.mean():.3g}; {int((species == 0).sum())} vacancies."
    return section("What is really there", figure(drawing.svg(drawn, "sheet", said), said), *_events(truth))


def _events(truth: Truth) -> list[Markup]:
    events = np.asarray(truth.get("events", np.empty((0, 4)))).reshape(-1, 4)
    names = [str(name) for name in np.ravel(truth.get("event_names", np.array([])))]
    if not names:
        return []
    counts = [f"{int((events[:, 2] == kind).sum())} {name}" for kind, name in enumerate(names)]
    told = ", ".join(text for text in counts if not text.startswith("0 ")) or "none"
    return [el("p", f"Events (the last {len(events)}): {told}.")]


def rates(reader: Reader, truth: Truth) -> Markup | None:
    """The posterior over the law's parameters, next to the truth where it is known."""
    last = reader.last("belief")
    if last is None or "particles" not in last.payload:
        return None
    names = [str(name) for name in last.payload["names"]]
    theta, weight = (np.asarray(last.payload[name], dtype=float) for name in ("particles", "weight"))
    true = true_parameters(truth)
    drawn = drawing.sheet(2.4)
    told = []
    for axes, name in zip(drawn.subplots(1, len(_SHOWN)), _SHOWN, strict=True):
        column = names.index(name)
        axes.hist(theta[:, column], bins=30, weights=weight, color=drawing.PAGE.data)
        for value in true.get(name, ()):
            axes.axvline(value, color=drawing.PAGE.best)
        axes.set(xlabel=name, yticks=[])
        low, high = np.asarray(last.payload["interval_95"], dtype=float)[column]
        known = ", ".join(f"{value:.3g}" for value in true.get(name, ()))
        told.append(f"{name} 95 % between {low:.3g} and {high:.3g}" + (f" (truth {known})" if known else ""))
    said = f"After step {last.step}, {int(last.payload['hops'])} hops: " + "; ".join(told) + "."
    return section("What was learned of the hops", figure(drawing.svg(drawn, "rates", said), said))


def true_parameters(truth: Truth) -> dict[str, list[float]]:
    """The truth by parameter: the best rates to each neighbour where the atoms ended, and the beam's offset."""
    found: dict[str, list[float]] = {}
    if "best_rates_s" in truth:
        rates = np.ravel(np.asarray(truth["best_rates_s"], dtype=float))
        found["largest_rate_s"] = rates[np.isfinite(rates)].tolist()
    if "aim_nm" in truth:
        x, y = (float(v) for v in np.ravel(truth["aim_nm"]))
        found |= {"offset_x_nm": [x], "offset_y_nm": [y]}
    return found
