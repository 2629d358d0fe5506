"""The conformance suite of agents: what every agent must do, as checks that anybody can run on their own.

    from agents.check import Trial, check_agent
    check_agent(Trial(MyAgent))

`CHECKS` lists the single checks, for a test to be parametrised over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.protocol import Agent, AgentError, Decision, Predicts, Problem, Transition

_SIDE = 7
_OPTIMUM = np.array([0.3, -0.2])


class CheckFailed(AssertionError):
    """An agent does not do what every agent must."""


def trivial_problem() -> Problem:
    """A grid of 7 x 7 candidates in [-1, 1]^2 with a bland image: `trivial_value` is to be maximised."""
    axis = np.linspace(-1.0, 1.0, _SIDE)
    candidates = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    pixels = np.stack(np.divmod(np.arange(_SIDE**2), _SIDE), axis=-1)
    rows = np.linspace(0.0, 1.0, _SIDE)
    return Problem(
        low=np.full(2, -1.0),
        high=np.full(2, 1.0),
        objective="maximise",
        value_name="height",
        value_unit="nm",
        candidates=candidates,
        positions_nm=candidates * 100.0,
        pixels=pixels,
        images={"height": np.add.outer(rows, rows**2)},
        extent_nm=(-100.0, 100.0, -100.0, 100.0),
    )


def trivial_value(action: NDArray[np.float64]) -> float:
    """A parabola with its top, zero, at (0.3, -0.2)."""
    return -float(np.sum((action - _OPTIMUM) ** 2))


@dataclass(frozen=True)
class Trial:
    """An agent on trial: how to make one, on which problem, and what may be asked of it.

    It must come upon the best candidate within `solves_within` steps (None: the number of candidates, which any
    agent that does not repeat itself manages); `stochastic` agents must decide otherwise under another seed.
    """

    make: Callable[[], Agent]
    stochastic: bool = True
    solves_within: int | None = None
    steps: int = 18
    problem: Problem = field(default_factory=trivial_problem)
    value: Callable[[NDArray[np.float64]], float] = trivial_value

    def begin(self, seed: int = 1) -> Agent:
        """A fresh agent that has begun."""
        agent = self.make()
        agent.begin(self.problem, seed)
        return agent


@dataclass
class _Play:
    """An agent at work on a trial: asks, and tells it noiseless values."""

    trial: Trial
    agent: Agent
    value: Callable[[int, float], float] = lambda step, value: value
    accepted: Callable[[int], NDArray[np.bool_]] = lambda count: np.ones(count, dtype=bool)
    decisions: list[Decision] = field(default_factory=list)

    def step(self) -> Decision:
        decision = self.agent.act({})
        self.tell(decision)
        return decision

    def tell(self, decision: Decision) -> None:
        step = len(self.decisions) + 1
        value = self.value(step, self.trial.value(decision.action))
        self.decisions.append(decision)
        self.agent.tell(Transition(step, decision, value, self.accepted(step), 0.0, {}))

    def run(self, steps: int) -> list[Decision]:
        return [self.step() for _ in range(steps)]


def check_solves(trial: Trial) -> None:
    """The best candidate is among those measured in time."""
    candidates = _candidates(trial)
    best = max(trial.value(row) for row in candidates)
    steps = trial.solves_within or len(candidates)
    reached = max(trial.value(d.action) for d in _Play(trial, trial.begin()).run(steps))
    _require(reached >= best, f"did not find the best candidate in {steps} steps: {reached:.3g} instead of {best:.3g}")


def check_seeded(trial: Trial) -> None:
    """The same seed gives the same decisions, also when an agent begins anew; another seed gives others."""
    agent = trial.begin(seed=1)
    first = _Play(trial, agent).run(trial.steps)
    again = _Play(trial, trial.begin(seed=1)).run(trial.steps)
    _require_same(first, again, "the same seed gave other decisions")
    agent.begin(trial.problem, 1)
    _require_same(first, _Play(trial, agent).run(trial.steps), "`begin` did not forget what was learned before")
    if trial.stochastic:
        other = _Play(trial, trial.begin(seed=2)).run(trial.steps)
        _require(not _same(first, other), "another seed gave the same decisions: mark it stochastic=False, or use it")


def check_decisions(trial: Trial) -> None:
    """Decisions lie within bounds, name the candidate they took, say why, and carry finite figures."""
    for number, decision in enumerate(_Play(trial, trial.begin()).run(trial.steps), start=1):
        where = f"decision {number}"
        action = np.asarray(decision.action)
        _require(bool(np.all(np.isfinite(action))), f"{where} is not finite: {action}")
        inside = np.all(action >= trial.problem.low - 1e-6) and np.all(action <= trial.problem.high + 1e-6)
        _require(bool(inside), f"{where} is out of bounds: {action}")
        _require(bool(decision.reason.strip()), f"{where} gives no reason")
        bad = [name for name, figure in decision.figures.items() if not np.isfinite(figure)]
        _require(not bad, f"{where} has figures that are not finite: {', '.join(bad)}")
        if trial.problem.candidates is not None and decision.candidate is not None:
            named = trial.problem.candidates[decision.candidate]
            _require(np.array_equal(named, action), f"{where} is not the candidate it names: {action}, {named}")


def check_pure(trial: Trial) -> None:
    """Asking twice, or asking with decisions pending, or for a prediction, changes no state and no later decision."""
    undisturbed = _Play(trial, trial.begin()).run(trial.steps)
    play = _Play(trial, trial.begin())
    for expected in undisturbed:
        before = play.agent.state()
        first = play.agent.act({})
        play.agent.act({}, pending=[first])
        if isinstance(play.agent, Predicts):
            play.agent.predict()
        _require_same([first], [play.agent.act({})], "`act` asked twice gave two decisions")
        _require(_equal(before, play.agent.state()), "`act` changed the state: learn in `tell`")
        _require_same([expected], [play.step()], "asking more often changed a later decision")


def check_no_repeats(trial: Trial) -> None:
    """No candidate is measured twice before all were, and the agent goes on after that."""
    count = len(_candidates(trial))
    play = _Play(trial, trial.begin())
    taken = [tuple(decision.action) for decision in play.run(count)]
    _require(len(set(taken)) == count, f"only {len(set(taken))} of {count} candidates were taken in as many steps")
    play.step()


def check_pending(trial: Trial) -> None:
    """Decisions that are pending are not taken again."""
    play = _Play(trial, trial.begin())
    for done in range(0, trial.steps, max(1, trial.steps // 3)):
        pending: list[Decision] = []
        for _ in range(3):
            pending.append(play.agent.act({}, pending=tuple(pending)))
        distinct = {tuple(np.ravel(decision.action)) for decision in pending}
        _require(len(distinct) == 3, f"after {done} steps a pending decision was taken again")
        play.run(max(1, trial.steps // 3))


def check_state(trial: Trial) -> None:
    """State is plain, a copy, and brings a fresh agent to the same decisions; what is not a state is refused."""
    for done in range(0, trial.steps + 1, 3):
        play = _Play(trial, trial.begin())
        play.run(done)
        state = play.agent.state()
        wire = _pack(state)
        expected = play.run(4)
        _require(_pack(state) == wire, "a state changed after it was handed out: copy arrays in `state`")
        fresh = _Play(trial, trial.begin(), decisions=play.decisions[:done])
        fresh.agent.restore(_unpack(wire))
        _require_same(expected, fresh.run(4), f"restored after {done} steps, the agent decided otherwise")
    try:
        trial.begin().restore({"agent": "another"})
    except AgentError:
        return
    raise CheckFailed("`restore` took what is no state of this agent: raise AgentError")


def check_failures(trial: Trial) -> None:
    """Values that are missing, or accepted at first and unmasked later, or all alike, do not stop an agent."""
    values: Mapping[str, Callable[[int, float], float]] = {
        "every third value missing": lambda step, value: np.nan if step % 3 == 0 else value,
        "every value missing": lambda step, value: np.nan,
        "all values alike": lambda step, value: 1.0,
        "one value a million times too large": lambda step, value: 1e6 if step == 2 else value,
    }
    for what, value in values.items():
        _survives(_Play(trial, trial.begin(), value=value), what)
    late = _Play(trial, trial.begin(), accepted=lambda count: np.arange(count) % 2 == count % 2)
    _survives(late, "values rejected afterwards")


def check_injected(trial: Trial) -> None:
    """A point that a person chose is taken in, and not measured again."""
    play = _Play(trial, trial.begin())
    chosen = [Decision(row.copy(), "a person's choice") for row in _candidates(trial)[::5]]
    for decision in chosen:
        play.tell(decision)
    own = {tuple(decision.action) for decision in play.run(len(_candidates(trial)) - len(chosen))}
    _require(own.isdisjoint(tuple(d.action) for d in chosen), "a point that a person chose was measured again")


def check_prediction(trial: Trial) -> None:
    """A model that an agent shows covers every candidate with finite means and positive standard deviations."""
    play = _Play(trial, trial.begin())
    if not isinstance(play.agent, Predicts):
        return
    play.run(trial.steps)
    prediction = play.agent.predict()
    if prediction is None:
        raise CheckFailed(f"there is no prediction after {trial.steps} steps")
    shape = (len(_candidates(trial)),)
    _require(prediction.mean.shape == shape and prediction.std.shape == shape, f"a prediction must have shape {shape}")
    _require(bool(np.all(np.isfinite(prediction.mean))), "a predicted mean is not finite")
    _require(bool(np.all(prediction.std > 0)), "a predicted standard deviation is not positive")


CHECKS: tuple[Callable[[Trial], None], ...] = (
    check_solves,
    check_seeded,
    check_decisions,
    check_pure,
    check_no_repeats,
    check_pending,
    check_state,
    check_failures,
    check_injected,
    check_prediction,
)


def check_agent(trial: Trial) -> None:
    """Run every check; the first that fails raises CheckFailed, with one line that says what is wrong."""
    for check in CHECKS:
        check(trial)


def _survives(play: _Play, what: str) -> None:
    try:
        decisions = play.run(play.trial.steps)
    except Exception as error:
        raise CheckFailed(f"{what}: {type(error).__name__}: {error}") from error
    actions = np.array([decision.action for decision in decisions])
    _require(bool(np.all(np.isfinite(actions))), f"{what}: a decision is not finite")


def _candidates(trial: Trial) -> NDArray[np.float64]:
    if trial.problem.candidates is None:
        raise ValueError("a trial needs a problem that lists candidates")
    return trial.problem.candidates


def _require(held: bool, otherwise: str) -> None:
    if not held:
        raise CheckFailed(otherwise)


def _require_same(one: Sequence[Decision], other: Sequence[Decision], otherwise: str) -> None:
    _require(_same(one, other), otherwise)


def _same(one: Sequence[Decision], other: Sequence[Decision]) -> bool:
    """Bit for bit the same actions and figures, and the same reasons."""
    return len(one) == len(other) and all(
        np.array_equal(a.action, b.action) and a.reason == b.reason and dict(a.figures) == dict(b.figures)
        for a, b in zip(one, other, strict=True)
    )


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _pack(one) == _pack(other)


def _pack(state: Mapping[str, Any]) -> bytes:
    """A state as bytes; whatever is neither a plain value nor an array is refused."""
    import msgpack

    try:
        return bytes(msgpack.packb(state, default=_array_out, strict_types=True))
    except (TypeError, ValueError, OverflowError) as error:
        raise CheckFailed(f"a state may hold plain values and numpy arrays only: {error}") from error


def _array_out(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype != object:
        return {"__array__": [value.dtype.str, list(value.shape), value.tobytes()]}
    raise TypeError(f"found a {type(value).__name__}")


def _unpack(wire: bytes) -> dict[str, Any]:
    """The inverse of `_pack`; arrays come back read-only, as from a journal."""
    import msgpack

    return dict(msgpack.unpackb(wire, object_hook=_array_in, strict_map_key=False))


def _array_in(value: dict[str, Any]) -> Any:
    if set(value) != {"__array__"}:
        return value
    dtype, shape, data = value["__array__"]
    return np.frombuffer(data, dtype=dtype).reshape(shape)
