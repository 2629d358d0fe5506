"""What is known of writing domains, for many rows at once: the stroke that mends most, by bias, sign and speed.

Observations are those of the task `write_domains` on a square of pixels, with a leading axis of B rows; actions are
paths (6 numbers) or pulses (4). A choice is one of three biases, up or down, and one of three speeds (or widths); where
the stroke lies is found from the pixels that are wrong. The belief is about how wide strokes come out, a normal
distribution of known spread, and about where they were tried in vain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError

Floats = NDArray[np.float64]
Observations = Mapping[str, NDArray[Any]]
TASK: Final = "write_domains"
OBSERVED: Final = frozenset({"image", "target", "wrong", "agreement"})
PATH, PULSE = 6, 4
SIZES: Final = (PATH, PULSE)
BIASES: Final = np.array([0.55, 0.75, 1.0])
SLOW: Final = np.array([0.25, 0.5, 0.75])
"""From fastest or shortest, 0, to slowest or longest, 1."""
CHOICES: Final = 2 * len(BIASES) * len(SLOW)
REACH: Final = 35.0 / 600.0
"""Half the width of a stroke of full bias over the side of the square, before any was seen."""
SPREAD: Final = 0.5
"""Of what one stroke tells, relative to the prior's reach."""
WEIGHT: Final = 3.0
"""Strokes that the prior is worth."""
_PATIENCE: Final = 0.5
_STROKE: Final = 5e-4
"""Price of a stroke and its scan at the task's default prices."""
_LEAST: Final = 1e-2
_DOTS: Final = "_tried"


def chosen(observation: Observations, choices: NDArray[Any], size: int) -> Floats:
    """Actions [B, size] of choices [B]: bias, sign, and how slow."""
    strokes, _ = _strokes(observation, size)
    stroke, slow = np.divmod(np.asarray(choices, dtype=np.int64), len(SLOW))
    return _actions(strokes, stroke, SLOW[slow], _side(observation), size)


def allowed(observation: Observations, size: int) -> NDArray[np.bool_]:
    """Choices [B, 18] whose stroke mends more than it spoils; the best of all where none does."""
    worth = _strokes(observation, size)[1]
    good = worth > 0.0
    good[np.arange(len(worth)), worth.argmax(1)] = True
    return np.repeat(good, len(SLOW), axis=1)


def log_prior(observation: Observations, size: int) -> Floats:
    """Log [B, 18] of what each choice's stroke mends less what it spoils, over the best one's; fast or slow alike."""
    worth = np.maximum(_strokes(observation, size)[1], 0.0)
    share = worth / np.maximum(worth.max(1, keepdims=True), 1e-12)
    return np.repeat(np.log(np.maximum(share, _LEAST)), len(SLOW), axis=1)


def greedy(observation: Observations, size: int) -> Floats:
    """Actions [B, size]: the stroke that mends most, at the middle speed."""
    strokes, worth = _strokes(observation, size)
    return _actions(strokes, worth.argmax(1), np.full(len(worth), 0.5), _side(observation), size)


def value(observation: Observations) -> Floats:
    """What is left to gain [B] in agreement, less the price of as many strokes as the wrong pixels need."""
    wrong = (np.asarray(observation["wrong"]) != 0).mean(1)
    strokes = wrong / (2.0 * _reach(observation) / 3.0)
    return np.asarray(1.0 - np.asarray(observation["agreement"], dtype=np.float64)[:, 0] - _STROKE * strokes)


def first_belief(observation: Observations) -> Floats:
    """Mean reach as a share of the side, its weight in strokes, and tries in vain of each pixel: [B, 2 + pixels]."""
    rows, pixels = np.shape(observation["image"])
    return np.column_stack([np.tile([REACH, WEIGHT], (rows, 1)), np.zeros((rows, pixels))])


def learned(
    statistics: Floats, before: Observations, actions: NDArray[Any], after: Observations, electrons: Floats
) -> Floats:
    """The running mean of how far strokes reached; pixels that a stroke should have turned and did not were in vain."""
    from agents.reinforcement.stroke_kernel import told

    side, known = _side(before), np.array(statistics)
    action = np.asarray(actions, dtype=np.float64)
    first, last = action[:, :2], action[:, -4:-2] if action.shape[1] == PATH else action[:, :2]
    ends = (np.column_stack([first, last]) + 1.0) / 2.0 * side - 0.5
    seen, tried = np.empty(len(known)), known[:, 2:].reshape(-1, side, side)
    told(_square(before, "image"), _square(after, "image"), ends, action[:, -2], side * known[:, 0], seen, tried)
    weight = known[:, 1] + 1.0
    mean = known[:, 0] + (seen / side - known[:, 0]) / weight
    told_something = np.isfinite(seen)
    return np.column_stack([
        np.where(told_something, mean, known[:, 0]),
        np.where(told_something, weight, known[:, 1]),
        tried.reshape(len(known), -1),
    ])  # fmt: skip


def shown(statistics: Floats) -> dict[str, Floats]:
    """belief [B, 2]: log of the mean reach over the prior's, and its relative spread; tries in vain [B, pixels]."""
    mean, weight = statistics[:, 0], statistics[:, 1]
    return {"belief": np.column_stack([np.log(mean / REACH), SPREAD / np.sqrt(weight)]), _DOTS: statistics[:, 2:]}


def _strokes(observation: Observations, size: int) -> tuple[Floats, Floats]:
    """The best strokes [B, 6, 4] in pixels, up and down of each bias, and what they are worth [B, 6]."""
    from agents.reinforcement.stroke_kernel import best_strokes

    rows, side = len(observation["image"]), _side(observation)
    tried = _square(observation, _DOTS) if _DOTS in observation else np.zeros((rows, side, side))
    strokes, worth = np.empty((rows, len(BIASES), 2, 4)), np.empty((rows, len(BIASES), 2))
    image, target = _square(observation, "image"), _square(observation, "target")
    reach = side * _reach(observation)
    best_strokes(image, target, tried, reach, BIASES, _PATIENCE, size == PULSE, strokes, worth)
    return strokes.reshape(rows, -1, 4), worth.reshape(rows, -1)


def _actions(strokes: Floats, number: NDArray[np.int64], slow: Floats, side: int, size: int) -> Floats:
    """The action [B, size] for one stroke of each row."""
    ends = np.clip(2.0 * (strokes[np.arange(len(strokes)), number] + 0.5) / side - 1.0, -1.0, 1.0)
    bias, sense = np.divmod(number, 2)
    volts = BIASES[bias] * np.where(sense == 0, 1.0, -1.0)
    if size == PULSE:
        return np.column_stack([ends[:, :2], volts, 2.0 * slow - 1.0])
    return np.column_stack([ends, volts, 1.0 - 2.0 * slow])


def _reach(observation: Observations) -> Floats:
    """Half the width of a stroke of full bias over the side [B]: what is believed, else the prior's."""
    believed = observation.get("belief")
    if believed is None:
        return np.full(len(observation["image"]), REACH)
    return np.asarray(REACH * np.exp(np.asarray(believed, dtype=np.float64)[:, 0]))


def _side(observation: Observations) -> int:
    """Pixels along a side; AgentError where the image is no square."""
    pixels = int(np.shape(observation["image"])[1])
    side = int(np.sqrt(pixels) + 0.5)
    if side * side != pixels:
        raise AgentError(
            f"the physics of writing domains wants a square of pixels, not {pixels}: give task.shape=[N,N]"
        )
    return side


def _square(observation: Observations, name: str) -> Floats:
    side = _side(observation)
    return np.ascontiguousarray(observation[name], dtype=np.float64).reshape(-1, side, side)
