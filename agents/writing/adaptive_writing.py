"""Write, look, and write next what mends most: the bias is chosen by the width that strokes turned out to have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Decision, Observation, Problem, Transition
from agents.remembering import Remembering
from agents.writing.strokes import PULSE, Canvas, Stroke
from physics_priors.bounds import Bounds

Floats = NDArray[np.float64]
BIASES: Final = (0.4, 0.55, 0.7, 0.85, 1.0)
WAYS: Final = ((1, 0), (0, 1), (1, 1), (1, -1))
_PRIOR_WEIGHT: Final = 3.0
_ALONG: Final = 0.5
"""A stroke goes on as long as a place is worth this share of its best one."""


@dataclass(frozen=True)
class Plan:
    """A stroke, its bias, and how many pixels it is expected to mend, less those it spoils."""

    stroke: Stroke
    bias: float
    worth: float


class AdaptiveWriting(Remembering):
    """Chooses the stroke that mends most pixels, both ways; a place that did not yield is tried less and less.

    A stroke writes what lies within `reach_nm` times its bias of it; the reach is learned from the scans, beginning
    with the value given. The value of a stroke counts pixels by the class they belong to, as the task's agreement does.
    """

    def __init__(
        self,
        reach_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 35.0,
        slow: Annotated[float, Bounds("", 0.0, 1.0)] = 0.5,
        patience: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 0.5,
    ) -> None:
        """`patience`: what a place counts after every stroke over it that failed, as a share of before."""
        self.reach_nm, self.slow, self.patience = reach_nm, slow, patience

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        self._canvas = Canvas.of(problem)
        self._image = np.array(self._canvas.before, dtype=np.float64)
        self._tried = np.zeros(self._image.shape)
        self._rate, self._weight = self.reach_nm / self._canvas.pixel_nm, _PRIOR_WEIGHT

    def act(
        self, observation: Observation, *, pending: Sequence[Decision] = (), deadline_s: float | None = None
    ) -> Decision:
        plan = max(self.plans(), key=lambda p: p.worth)
        action = self._canvas.action(plan.stroke, plan.bias, self.slow)
        figures = {"expected_pixels": plan.worth, "reach_nm": self._rate * plan.bias * self._canvas.pixel_nm}
        said = f"mends most: {plan.worth:.0f} pixels, {'up' if plan.stroke.sign > 0 else 'down'}, bias {plan.bias:g}"
        return Decision(action, said, figures=figures)

    def plans(self) -> list[Plan]:
        """The best stroke of every bias and sign, as things stand."""
        return [self._best(bias, sign) for bias in BIASES for sign in (1.0, -1.0)]

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        image = transition.observation.get("image")
        if image is None or not np.isfinite(transition.value):
            return
        after = np.array(image, dtype=np.float64).reshape(self._image.shape)
        self._learn(np.ravel(transition.decision.action), after)
        self._image = after

    def state(self) -> dict[str, Any]:
        own = {"image": self._image.copy(), "tried": self._tried.copy(), "rate": self._rate, "weight": self._weight}
        return {**super().state(), **own}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        image = np.array(state["image"], dtype=np.float64)
        if image.shape != self._image.shape:
            raise AgentError(f"this state is of another canvas, {image.shape} instead of {self._image.shape}")
        self._image, self._tried = image, np.array(state["tried"], dtype=np.float64)
        self._rate, self._weight = float(state["rate"]), float(state["weight"])

    def beliefs(self) -> dict[str, Any]:
        """What was learned of the width of strokes, and the surface as last seen."""
        return {"reach_nm": self._rate * self._canvas.pixel_nm, "seen": self._image.copy()}

    def _best(self, bias: float, sign: float) -> Plan:
        """The best stroke of one bias and sign."""
        gain = self._gain(bias, sign)
        y, x = np.unravel_index(int(np.argmax(gain)), gain.shape)
        width = max(2.0 * self._rate * bias, 1.0)
        ways = WAYS[:1] if self._canvas.axes == PULSE else WAYS
        lines = [[(int(x), int(y))]] if self._canvas.axes == PULSE else [_line(gain, (int(x), int(y)), w) for w in ways]
        worths = [float(sum(gain[q, p] for p, q in line)) / width for line in lines]
        line = lines[int(np.argmax(worths))]
        worth = max(float(gain[y, x]), max(worths))
        return Plan(Stroke(line[0], line[-1], sign), bias, worth)

    def _gain(self, bias: float, sign: float) -> Floats:
        """For every pixel, what a touch there mends less what it spoils, in pixels of the rarer class."""
        from scipy.ndimage import convolve

        target, written = self._canvas.target, np.sign(self._image)
        up = max(float((target > 0).mean()), 1e-6)
        weight = np.where(target > 0, 0.5 / up, 0.5 / max(1.0 - up, 1e-6))
        mended = weight * ((target == sign) & (written != sign)) * self.patience**self._tried
        spoilt = weight * ((target != sign) & (written != sign))
        return np.asarray(convolve(mended - spoilt, _disc(self._rate * bias), mode="constant"))

    def _learn(self, action: Floats, after: Floats) -> None:
        """How far the stroke reached, from the pixels that it turned; and where it was tried in vain."""
        stroke, bias = self._stroke(action)
        if bias == 0.0:
            return
        away = self._away(stroke)
        near = away <= 3.0 * self._rate
        turned = float(((np.sign(self._image) != stroke.sign) & (np.sign(after) == stroke.sign) & near).sum())
        open_ = np.sort(away[(np.sign(self._image) != stroke.sign) & near])
        if len(open_) > 8:
            reach = open_[min(int(turned), len(open_) - 1)] if turned else 0.5
            self._rate += (max(float(reach), 0.5) / bias - self._rate) / (self._weight + 1.0)
            self._weight = min(self._weight + 1.0, 12.0)
        in_vain = (away <= self._rate * bias) & (np.sign(after) != stroke.sign)
        self._tried = self._tried + in_vain

    def _stroke(self, action: Floats) -> tuple[Stroke, float]:
        """The stroke in pixels and the size of its bias, of an action."""
        rows, columns = self._image.shape
        ends = action[:-2].reshape(-1, 2)
        places = [((float(x) + 1) / 2 * columns - 0.5, (float(y) + 1) / 2 * rows - 0.5) for x, y in ends]
        return Stroke(places[0], places[-1], float(np.sign(action[-2]))), abs(float(action[-2]))

    def _away(self, stroke: Stroke) -> Floats:
        """Distance [pixels] of every pixel from a stroke."""
        rows, columns = np.indices(self._image.shape, dtype=np.float64)
        first, way = np.array(stroke.first), np.subtract(stroke.last, stroke.first)
        offset = np.stack([columns, rows], axis=-1) - first
        t = np.clip(offset @ way / max(float(way @ way), 1e-12), 0.0, 1.0)
        return np.asarray(np.sqrt(((offset - t[..., None] * way) ** 2).sum(-1)))


def _line(gain: Floats, start: tuple[int, int], way: tuple[int, int]) -> list[tuple[int, int]]:
    """Pixels (x, y) in a row through `start`, as far as each is worth enough."""
    enough = _ALONG * gain[start[1], start[0]]
    line = [start]
    for sense in (1, -1):
        x, y = start
        while True:
            x, y = x + sense * way[0], y + sense * way[1]
            if not (0 <= y < gain.shape[0] and 0 <= x < gain.shape[1]) or gain[y, x] < max(enough, 1e-9):
                break
            line = [*line, (x, y)] if sense > 0 else [(x, y), *line]
    return line


def _disc(radius: float) -> Floats:
    """A disc of a radius [pixels], its rim soft by one pixel."""
    half = int(np.ceil(radius + 0.5))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return np.asarray(np.clip(radius + 0.5 - np.hypot(x, y), 0.0, 1.0))
