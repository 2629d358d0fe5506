"""How the spot switches: what was applied and read, the loop with its posterior band, the FORC density, the numbers."""

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
from physics_priors.lgd import loops

Floats = NDArray[np.float64]
Truth = Mapping[str, NDArray[Any]]
_DRAWS = 200


@dataclass(frozen=True)
class Known:
    """The last belief: equally likely draws theta [n, 8], what was applied and read, and the instrument's settings."""

    theta: Floats
    bias_V: Floats
    read_pm: Floats
    limit_V: float
    dwell_s: float
    mean_V: Floats
    sd_V: Floats
    correlations: Floats

    @staticmethod
    def of(payload: Mapping[str, Any]) -> Known:
        """From an agent's beliefs, as `agents.switching` journals them."""
        theta, weight = (np.asarray(payload[name], dtype=np.float64) for name in ("theta", "weight"))
        places = (np.arange(_DRAWS) + 0.5) / _DRAWS
        picks = np.minimum(np.searchsorted(np.cumsum(weight) / weight.sum(), places), len(theta) - 1)
        limit_V, dwell_s, _ = (float(v) for v in payload["settings"])
        rest = (np.asarray(payload[n], dtype=np.float64) for n in ("mean_V", "sd_V", "correlations"))
        bias_V, read_pm = (np.asarray(payload[n], dtype=np.float64) for n in ("bias_V", "read_pm"))
        return Known(theta[picks], bias_V, read_pm, limit_V, dwell_s, *rest)


def sections(story: Story, reader: Reader, truth: Truth) -> list[Markup]:
    """All of it, from the last belief; nothing where the agent journalled none."""
    event = reader.last("belief")
    if event is None or "theta" not in event.payload:
        return []
    known = Known.of(event.payload)
    hidden = _hidden(truth)
    with drawing.styled(drawing.PAGE):
        shown = [_history(known), _loop(known, hidden), _density(known, hidden)]
    return [section("How the spot switches", *shown, _numbers(known, hidden), _confounded(known))]


def _history(known: Known) -> Markup:
    sheet = drawing.sheet(3.4)
    above, below = sheet.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    pulse = np.arange(1, len(known.bias_V) + 1)
    above.step(pulse, known.bias_V, where="mid", color=drawing.PAGE.data)
    above.set_ylabel("bias [V]")
    low, middle, high = _band(loops.off_field(known.theta, known.bias_V, known.dwell_s))
    below.fill_between(pulse, low, high, color=drawing.PAGE.data, alpha=0.25, lw=0)
    below.plot(pulse, middle, color=drawing.PAGE.data)
    below.plot(pulse, known.read_pm, "o", ms=3, color=drawing.PAGE.best)
    below.set_ylabel("response [pm]")
    below.set_xlabel("pulse")
    for axes in (above, below):
        drawing.grid(axes)
    said = f"The {len(pulse)} pulses that were applied, and what was read at 0 V after each (dots), over what the "
    said += "posterior says of them (line: median; band: 90 %, without the noise of a reading)."
    return figure(drawing.svg(sheet, "pulses", said), said)


def _loop(known: Known, hidden: Floats | None) -> Markup:
    sheet = drawing.sheet(3.4)
    axes = sheet.subplots()
    bias = loops.staircase(-known.limit_V, known.limit_V, 160, 2)
    low, middle, high = (part[160:] for part in _band(loops.off_field(known.theta, bias, known.dwell_s)))
    for rising, colour in ((True, drawing.PAGE.data), (False, drawing.PAGE.best)):
        branch = _branch(bias[160:], rising)
        axes.fill_between(bias[160:][branch], low[branch], high[branch], color=colour, alpha=0.25, lw=0)
        axes.plot(bias[160:][branch], middle[branch], color=colour)
        if hidden is not None:
            true = loops.off_field(hidden, bias, known.dwell_s)[0, 160:]
            axes.plot(bias[160:][branch], true[branch], color=drawing.PAGE.ink, ls=":", lw=1.2)
    axes.set_xlabel("bias [V]")
    axes.set_ylabel("response [pm]")
    drawing.grid(axes)
    said = "The saturated loop that the posterior expects (lines: median, upwards and downwards; bands: 90 %)."
    said += " Dotted: the twin's own loop, which the agent never saw." if hidden is not None else ""
    return figure(drawing.svg(sheet, "loop", said), said)


def _density(known: Known, hidden: Floats | None) -> Markup:
    coercive, imprint = known.mean_V
    reach = 3 * float(np.median(known.theta[:, 2] / known.theta[:, 6])) + 3 * float(known.sd_V.max())
    c = coercive + np.linspace(-reach, reach, 81)
    b = imprint + np.linspace(-reach, reach, 81)
    maps = [("believed", loops.preisach_density(known.theta, c, b, known.dwell_s).mean(0))]
    if hidden is not None:
        maps.append(("the twin's", loops.preisach_density(hidden, c, b, known.dwell_s)[0]))
    sheet = drawing.sheet(3.4)
    panels = sheet.subplots(1, len(maps), squeeze=False)[0]
    top = max(float(density.max()) for _, density in maps)
    for axes, (name, density) in zip(panels, maps, strict=True):
        shown = axes.imshow(
            density.T, origin="lower", extent=(c[0], c[-1], b[0], b[-1]), cmap=drawing.FIELD, vmin=0, vmax=top
        )
        axes.set_title(name)
        axes.set_xlabel("coercive voltage of a unit [V]")
    panels[0].set_ylabel("its bias [V]")
    sheet.colorbar(shown, ax=list(panels), label="units per V²")
    said = "Density of switching units over coercive voltage and bias, as first-order reversal curves (FORC) show it: "
    said += "the mean over the posterior" + (", and the twin's." if hidden is not None else ".")
    return figure(drawing.svg(sheet, "forc", said), said)


def _numbers(known: Known, hidden: Floats | None) -> Markup:
    found = {"coercive voltage": known.mean_V[0], "imprint": known.mean_V[1]}
    doubt = {"coercive voltage": known.sd_V[0], "imprint": known.sd_V[1]}
    units = dict.fromkeys(found, "V")
    true = {} if hidden is None else dict(zip(found, loops.targets_V(hidden, known.dwell_s)[0], strict=True))
    for index, item in enumerate(loops.PRIOR):
        name = f"parameter {item.name}"
        found[name], doubt[name] = known.theta[:, index].mean(), known.theta[:, index].std()
        units[name] = item.unit
        if hidden is not None:
            true[name] = hidden[0, index]
    heads = [("", ""), ("mean", "number"), ("s.d.", "number"), ("unit", "")] + ([("truth", "number")] if true else [])
    rows = []
    for name in found:
        cells = [(name, ""), (f"{found[name]:.3g}", "number"), (f"{doubt[name]:.2g}", "number"), (units[name], "")]
        rows.append(row(cells + ([(f"{true[name]:.3g}", "number")] if true else [])))
    return table(heads, rows, "What is known of the switching voltages and of the parameters behind them")


def _confounded(known: Known) -> Markup:
    """One sentence on the pairs of parameters that the data cannot tell apart."""
    names, size = loops.PRIOR.names, len(loops.PRIOR)
    pairs = [
        (abs(known.correlations[i, j]), known.correlations[i, j], names[i], names[j])
        for i in range(size)
        for j in range(i)
    ]
    strong = [f"{b} with {a} ({r:+.2f})" for size_, r, a, b in sorted(pairs, reverse=True) if size_ > 0.5]
    said = "; ".join(strong) if strong else "no pair beyond 0.5 in size"
    return el("p", f"Correlations in the posterior: {said}. Such parameters are known in combination only.")


def _band(curves: Floats) -> Floats:
    return np.asarray(np.quantile(curves, (0.05, 0.5, 0.95), axis=0))


def _branch(bias_V: Floats, rising: bool) -> NDArray[np.intp]:
    """Places of the branch on which the bias rises, or falls, in its order."""
    slope = np.gradient(bias_V)
    places = np.flatnonzero(slope > 0 if rising else slope < 0)
    return places[np.argsort(bias_V[places])]


def _hidden(truth: Truth) -> Floats | None:
    """The twin's parameters [1, 8]; None where they are not known."""
    wanted = [f"parameters.{name}" for name in loops.PRIOR.names]
    if any(name not in truth for name in wanted):
        return None
    return np.array([[float(truth[name]) for name in wanted]])
