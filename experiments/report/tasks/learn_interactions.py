"""What was learned of the alloy: its interactions, the images that told them, and the thermodynamics that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report import drawing
from experiments.report.markup import Markup, el, figure, row, section, table
from experiments.report.story import Story

Floats = NDArray[np.float64]
Truth = Mapping[str, NDArray[Any]]
_DRAWS, _TEMPERATURES_K = 5, (700.0, 1100.0)


@dataclass(frozen=True)
class Known:
    """A belief about energies: names [P], mean [P], covariance [P, P], chi^2 per degree of freedom, images."""

    names: list[str]
    mean: Floats
    covariance: Floats
    misfit: float
    images: int

    @staticmethod
    def of(payload: Mapping[str, Any]) -> Known:
        """From an agent's beliefs, as `agents.lattice` journals them."""
        mean, covariance = (np.asarray(payload[n], np.float64) for n in ("mean", "covariance"))
        names = [str(name) for name in payload["names"]]
        return Known(names, mean, covariance, float(payload["misfit"]), int(payload["images"]))

    @property
    def std(self) -> Floats:
        """Standard deviations [P]."""
        return np.sqrt(np.diag(self.covariance))


def sections(story: Story, reader: Reader, truth: Truth) -> list[Markup]:
    """Interactions and thermodynamics from the last belief; nothing where the agent journalled none."""
    event = reader.last("belief")
    if event is None or "covariance" not in event.payload:
        return []
    known = Known.of(event.payload)
    with drawing.styled(drawing.PAGE):
        shown = [_thermodynamics(known, kelvin) for kelvin in _TEMPERATURES_K]
    return [section("Interactions", numbers(known, truth)), section("Thermodynamics of the solid solution", *shown)]


def numbers(known: Known, truth: Truth) -> Markup:
    """A table of the parameters with 95 % intervals, and the twin's where there is one."""
    rows = []
    for name, mean, std in zip(known.names, known.mean, known.std, strict=True):
        true = f"{float(truth[name]):.4g}" if name in truth else "–"
        interval = f"{mean - 1.96 * std:.4g} to {mean + 1.96 * std:.4g}"
        rows.append(row([(name, ""), (f"{mean:.4g}", "number"), (interval, "number"), (true, "number")]))
    heads = [("parameter", ""), ("believed", "number"), ("95 % interval", "number"), ("the twin's", "number")]
    said = f"From {known.images} images; chi² per degree of freedom around the prior's model {known.misfit:.2f}"
    said += " (far above 1: interactions that the prior does not know of)." if known.misfit > 3 else "."
    return Markup(table(heads, rows, "Believed interactions") + el("p", said))


def _thermodynamics(known: Known, temperature_K: float) -> Markup:
    from physics_priors.ising.solution import mixing

    drawn = np.random.default_rng(0).multivariate_normal(known.mean, known.covariance, _DRAWS)
    found = mixing(drawn, temperature_K, side=12, points=19, rounds=30)
    sheet = drawing.sheet(2.8)
    panels = sheet.subplots(1, 3)
    curves = (
        ("H and F of mixing [meV]", 1000 * found.enthalpy_eV, 1000 * found.free_energy_eV),
        ("entropy of mixing [k_B]", found.entropy_kB, None),
        ("chemical potential [eV]", found.chemical_potential_eV, None),
    )
    for axes, (title, first, second) in zip(panels, curves, strict=True):
        _band(axes, found.fraction, first, drawing.PAGE.data)
        if second is not None:
            _band(axes, found.fraction, second, drawing.PAGE.best)
        axes.set_title(title)
        axes.set_xlabel("fraction of the heavy species")
        drawing.grid(axes)
    said = f"At {temperature_K:g} K, per metal site against the pure components; bands: the range of {_DRAWS} draws of "
    said += "the belief. Left: enthalpy (upper) and free energy (lower). " + _gap_words(found.gap)
    return figure(drawing.svg(sheet, f"mixing{temperature_K:.0f}", said), said)


def _gap_words(gap: Floats) -> str:
    open_ = gap[:, 1] - gap[:, 0] > 0
    if not open_.any():
        return "It mixes at all compositions."
    low, high = gap[open_].mean(0)
    words = f"A miscibility gap from {low:.2f} to {high:.2f}"
    return words + ("." if open_.all() else f" in {100 * open_.mean():.0f} % of the draws.")


def _band(axes: Any, x: Floats, curves: Floats, colour: str) -> None:
    axes.fill_between(x, curves.min(0), curves.max(0), color=colour, alpha=0.25, lw=0)
    axes.plot(x, np.median(curves, axis=0), color=colour)
