"""Tunes a probe from images of one unknown object by phase diversity (`physics_priors.optics.diversity`).

In cycles of three images: as it is, and with defocus added to either side. The aberrations that explain the three best
are taken off in one step, or in several where steps are bounded; the next cycle uses a smaller defocus and finer
frequencies, as far as the last correction says that the probe is still spread. When what is left is small, it holds and
watches the contrast, and begins again where that has fallen: lenses drift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from physics_priors.bounds import Bounds
from physics_priors.optics.aberrations import COUNT, INDEX, NAMES, ROUND, TYPICAL_NM
from physics_priors.optics.diversity import Options, Series, estimate
from physics_priors.optics.probe import Column

Floats = NDArray[np.float64]
_ACCEPT, _NONE, _UNDO = 1.0, 0.0, -1.0
_WANTED = ("image", "contrast", "since_accepted", "largest_nm", "calibration", "progress")
_FAR, _NEAR = 40.0, 12.0
"""Spreads [nm] above which C1 and A1 alone are searched, and below which all is."""
_FINEST_1_NM = 4.5
_WORSE = 0.8
_TOO_LATE = 0.93
"""Share of the episode after which no comparison is begun: it takes three steps, the probe being worse meanwhile."""


@dataclass(frozen=True)
class _Cycle:
    """Where the agent is in its work; images are of the present cycle."""

    images: tuple[NDArray[np.float32], ...]
    offsets_nm: tuple[float, ...]
    """Defocus of each image against the first of the cycle."""
    spread_nm: float
    """How far C1 and A1 may still be off."""
    correction_nm: Floats | None = None
    """What is still to be changed, [P]."""
    size: float = math.inf
    """The last correction, in nm of defocus or as much of anything else."""
    held: float = 0.0
    """Contrast when it began to hold; 0 while it tunes."""


class PhaseDiversity:
    """The agent; it needs the observations of `tune_aberrations`, and `names` in the task's order.

    source_nm is the operator's belief of the source's size. `settled` is the size of a correction, in nm of defocus or
    as much of anything else, below which it holds; `lost` the relative loss of contrast at which it tunes again.
    """

    def __init__(
        self,
        names: tuple[str, ...] = ("C1", "A1", "B2", "A2", "C3"),
        source_nm: Annotated[float, Bounds("nm", 0.0, 1.0)] = 0.08,
        largest_defocus_nm: Annotated[float, Bounds("nm", 1.0, 500.0)] = 60.0,
        smallest_defocus_nm: Annotated[float, Bounds("nm", 0.5, 100.0)] = 8.0,
        settled: Annotated[float, Bounds("nm", 0.0, 10.0)] = 0.8,
        lost: Annotated[float, Bounds("", 0.0, 1.0)] = 0.05,
    ) -> None:
        unknown = [name for name in names if name not in NAMES]
        if unknown or "C1" not in names:
            raise ValueError(f"names {list(names)}: C1 and any of {', '.join(NAMES)}")
        self.names, self.source_nm = tuple(names), source_nm
        self.largest_defocus_nm, self.smallest_defocus_nm = largest_defocus_nm, smallest_defocus_nm
        self.settled, self.lost = settled, lost
        self._parts = [(INDEX[n], part) for n in names for part in ((1.0,) if ROUND[INDEX[n]] else (1.0, 1j))]
        self._focus = self._parts.index((INDEX["C1"], 1.0))

    def begin(self, problem: Problem, seed: int) -> None:
        if len(problem.low) != 1 + len(self._parts) or problem.choices is not None:
            raise AgentError(
                f"phase_diversity tunes {len(self._parts)} numbers of {', '.join(self.names)} and gives a verdict: "
                f"its task has actions of {1 + len(self._parts)} numbers, this one has {len(problem.low)}"
            )
        if "before" not in problem.images:
            raise AgentError("phase_diversity needs an image of before, which tune_aberrations gives")
        first = np.array(problem.images["before"], dtype=np.float32)
        self._cycle = _Cycle((first,), (0.0,), 100.0)

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        missing = [name for name in _WANTED if name not in observation]
        if missing:
            raise AgentError(f"phase_diversity needs the observation {missing[0]!r}, which tune_aberrations gives")
        cycle, largest = self._cycle, np.asarray(observation["largest_nm"], dtype=np.float64)
        if cycle.held:
            return self._decision(_ACCEPT, 0.0 * largest, largest, "the probe is tuned: hold and watch the contrast")
        if cycle.correction_nm is not None:
            step = np.clip(cycle.correction_nm, -largest, largest)
            return self._decision(_NONE, step, largest, f"take off what three images say: {self._said(step)}")
        if len(cycle.images) == 1 and self._worse(observation):
            return self._decision(_UNDO, 0.0 * largest, largest, "the contrast fell: back to the last accepted setting")
        if len(cycle.images) == 1 and float(observation["progress"][0]) > _TOO_LATE:
            return self._decision(_ACCEPT, 0.0 * largest, largest, "too late for another comparison: hold")
        return self._diverse(cycle, largest)

    def tell(self, transition: Transition) -> None:
        """Take the image in; with the third of a cycle, estimate the aberrations."""
        if not np.isfinite(transition.value):
            return
        cycle, seen = self._cycle, transition.observation
        image = np.array(seen["image"], dtype=np.float32)
        action = np.asarray(transition.decision.action, dtype=np.float64)
        step = action[1:] * np.asarray(seen["largest_nm"], dtype=np.float64)
        if action[0] == _UNDO:
            self._cycle = _Cycle((image,), (0.0,), min(3.0 * cycle.spread_nm, 100.0))
        elif len(cycle.images) == 1 and not step.any() and not cycle.held and cycle.correction_nm is None:
            self._cycle = replace(cycle, images=(image,))
        elif cycle.held:
            self._cycle = self._watched(cycle, image, transition.value)
        elif cycle.correction_nm is not None:
            self._cycle = self._moved(cycle, image, step, transition.value)
        else:
            grown = (*cycle.images, image), (*cycle.offsets_nm, cycle.offsets_nm[-1] + float(step[self._focus]))
            cycle = replace(cycle, images=grown[0], offsets_nm=grown[1])
            self._cycle = self._estimated(cycle, seen) if len(cycle.images) == 3 else cycle

    def state(self) -> dict[str, Any]:
        kept = {name: getattr(self._cycle, name) for name in _Cycle.__dataclass_fields__}
        images = np.stack(self._cycle.images)
        correction = np.zeros(0) if self._cycle.correction_nm is None else self._cycle.correction_nm.copy()
        offsets = list(self._cycle.offsets_nm)
        return {
            "agent": type(self).__name__,
            **kept,
            "images": images,
            "correction_nm": correction,
            "offsets_nm": offsets,
        }

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("agent") != type(self).__name__:
            raise AgentError(f"this state is of {state.get('agent', 'no agent')!s}, not of {type(self).__name__}")
        correction = np.array(state["correction_nm"], dtype=np.float64)
        self._cycle = _Cycle(
            tuple(np.array(image, dtype=np.float32) for image in state["images"]),
            tuple(float(offset) for offset in state["offsets_nm"]),
            float(state["spread_nm"]),
            correction if len(correction) else None,
            float(state["size"]),
            float(state["held"]),
        )

    def _diverse(self, cycle: _Cycle, largest: Floats) -> Decision:
        wanted = float(np.clip(0.6 * cycle.spread_nm, self.smallest_defocus_nm, self.largest_defocus_nm))
        wanted = min(wanted, 0.5 * float(largest[self._focus]))
        step = np.zeros(len(largest))
        step[self._focus] = wanted if len(cycle.images) == 1 else -2.0 * cycle.offsets_nm[-1]
        verdict = _ACCEPT if len(cycle.images) == 1 else _NONE
        return self._decision(verdict, step, largest, f"defocus by {step[self._focus]:.3g} nm, to compare")

    def _worse(self, observation: Observation) -> bool:
        now, accepted = (float(v) for v in observation["contrast"])
        moved = float(np.abs(observation["since_accepted"]).max()) > 1e-3
        return moved and now < _WORSE * accepted

    def _watched(self, cycle: _Cycle, image: NDArray[np.float32], value: float) -> _Cycle:
        if value >= (1.0 - self.lost) * cycle.held:
            return replace(cycle, held=max(cycle.held, value), images=(image,))
        return _Cycle((image,), (0.0,), 4.0)

    def _moved(self, cycle: _Cycle, image: NDArray[np.float32], step: Floats, value: float) -> _Cycle:
        assert cycle.correction_nm is not None
        left = cycle.correction_nm - step
        if np.any(np.abs(left) > 1e-3 * np.abs(cycle.correction_nm) + 1e-6):
            return replace(cycle, correction_nm=left)
        held = value if cycle.size < self.settled else 0.0
        return replace(cycle, images=(image,), offsets_nm=(0.0,), correction_nm=None, held=held)

    def _estimated(self, cycle: _Cycle, seen: Observation) -> _Cycle:
        energy_keV, convergence_mrad, width_nm, height_nm = (float(v) for v in seen["calibration"])
        column = Column(energy_keV, convergence_mrad, self.source_nm)
        changes = np.zeros((len(cycle.images), COUNT), dtype=np.complex128)
        changes[:, INDEX["C1"]] = cycle.offsets_nm
        series = Series(np.stack(cycle.images).astype(np.float64), changes, (width_nm, height_nm))
        found = estimate(column, series, self._options(column, cycle.spread_nm)).aberrations_nm
        correction = -np.array([found[i].real if part == 1.0 else found[i].imag for i, part in self._parts])
        size = float(np.max(np.abs(found) / TYPICAL_NM))
        first = max(abs(found[INDEX["C1"]]), abs(found[INDEX["A1"]]))
        spread = float(np.clip(0.6 * first, 0.35 * cycle.spread_nm, 100.0))
        correction[self._focus] -= cycle.offsets_nm[-1]
        return replace(cycle, correction_nm=correction, size=size, spread_nm=max(spread, 1.0))

    def _options(self, column: Column, spread_nm: float) -> Options:
        """What is searched, and how finely, when the probe may be spread by that much defocus."""
        far, near = spread_nm > _FAR, spread_nm < _NEAR
        names = tuple(n for n in self.names if n in ("C1", "A1") or (n in ("B2", "A2") and not far) or near)
        radius_nm = column.convergence_rad * spread_nm
        finest = min(_FINEST_1_NM, 0.35 + 0.9 / radius_nm)
        bands = tuple(finest * 0.5**halvings for halvings in (2, 1, 0) if finest * 0.5**halvings >= 0.3)
        return Options(names, size=max(1.5 * spread_nm, 3.0), bands_1_nm=bands, coarse_1_nm=0.8)

    def _decision(self, verdict: float, step: Floats, largest: Floats, reason: str) -> Decision:
        action = np.concatenate([[verdict], step / largest])
        figures = {"spread_nm": self._cycle.spread_nm}
        if math.isfinite(self._cycle.size):
            figures["last_correction_nm"] = self._cycle.size
        return Decision(np.clip(action, -1.0, 1.0), reason, figures=figures)

    def _said(self, step: Floats) -> str:
        whole: dict[str, complex] = {}
        for (index, part), value in zip(self._parts, step, strict=True):
            whole[NAMES[index]] = whole.get(NAMES[index], 0j) + part * value
        return ", ".join(f"{name} {abs(value):.3g} nm" for name, value in whole.items())
