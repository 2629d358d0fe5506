"""Whatever an instrument answers, it is a value, a recorded failure, or a rejected curve: never a crash, never used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.campaign import run
from experiments.campaign.journal import open_reader
from experiments.config import build, compose
from instruments.cost import Cost
from instruments.measurement import Axis, Channel
from instruments.requests import BiasSpectroscopy


def _channel(measurement, **changes):
    channels = {name: replace(channel, **changes) for name, channel in measurement.channels.items()}
    return replace(measurement, channels=channels)


def _values(measurement, change):
    channels = {n: replace(c, values=change(np.array(c.values))) for n, c in measurement.channels.items()}
    return replace(measurement, channels=channels)


def _shorter(measurement):
    channels = {}
    for name, channel in measurement.channels.items():
        axis = channel.axes[0]
        channels[name] = Channel(channel.values[:-3], channel.unit, (Axis(axis.name, axis.unit, axis.values[:-3]),))
    return replace(measurement, channels=channels)


def _elsewhere(measurement):
    return replace(measurement, request=BiasSpectroscopy((0.0, 0.0), -1.0, 1.0, 8, 1e-3))


REFUSED = {
    "wrong unit": lambda m: _channel(m, unit="nm"),
    "wrong shape": _shorter,
    "not numbers": lambda m: _values(m, lambda v: v.astype(object)),
    "undeclared channel": lambda m: replace(m, channels={"lies": next(iter(m.channels.values()))}),
    "another request": _elsewhere,
    "negative cost": lambda m: replace(m, cost=Cost(seconds=-1.0)),
    "cost that is no number": lambda m: replace(m, cost=Cost(seconds=float("nan"))),
}
WORTHLESS = {
    "all NaN": lambda m: _values(m, lambda v: np.full_like(v, np.nan)),
    "infinite": lambda m: _values(m, lambda v: np.where(np.arange(len(v)) == 3, np.inf, v)),
    "ended early": lambda m: replace(_values(m, _half), complete=False),
}
SPOILT = {"spikes": lambda m: _values(m, lambda v: np.where(np.arange(len(v)) % 17 == 5, 1e6, v))}


def _half(values):
    return np.where(np.arange(len(values)) < len(values) // 2, values, np.nan)


class Dirty:
    """A twin whose answers are tampered with at chosen calls (the first is the survey)."""

    def __init__(self, inner, tampering):
        self._inner, self._tampering, self._calls = inner, tampering, 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def acquire(self, request, *, id, stop):
        self._calls += 1
        honest = self._inner.acquire(request, id=id, stop=stop)
        tamper = self._tampering.get(self._calls)
        return honest if tamper is None else tamper(honest)


ALL = {**REFUSED, **WORTHLESS, **SPOILT}


@settings(max_examples=15)
@given(plan=st.dictionaries(st.integers(2, 9), st.sampled_from(sorted(ALL)), min_size=1, max_size=6))
def test_tampered_answers_are_never_used(tmp_path_factory, plan):
    runs = tmp_path_factory.mktemp("dirty")
    quiet = ["agent=random", "tracking=off", "report=false", "budget.steps=8", f"runs={runs}"]
    chosen = compose([*quiet, "instrument.core.failure_rate=0"], [])
    parts = build(chosen)
    dirty = Dirty(parts.instrument, {call: ALL[name] for call, name in plan.items()})
    result = run(chosen, parts=replace(parts, instrument=dirty))
    assert result.status == "finished"
    with open_reader(result.folder / "journal.sqlite") as reader:
        outcomes = {e.step: e.payload for e in reader.events(kinds=["outcome"])}
        failed = {e.step: e.payload["error"] for e in reader.events(kinds=["failed"])}
    for call, name in plan.items():
        step = call - 1
        if name in REFUSED:
            assert failed[step] == "DataInvalid", name
        if name in REFUSED or name in WORTHLESS:
            assert np.isnan(outcomes[step]["value"]), name
        assert not outcomes[8]["accepted"][step - 1], name
    clean = [step for step in range(1, 9) if step + 1 not in plan]
    assert all(np.isfinite(outcomes[step]["value"]) for step in clean)
    assert outcomes[8]["accepted"][[step - 1 for step in clean]].all()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_survey_that_is_not_one_ends_the_campaign(tmp_path, name):
    chosen = compose(["agent=random", "tracking=off", "report=false", "budget.steps=3", f"runs={tmp_path}"], [])
    parts = build(chosen)
    tamper = REFUSED[name] if name != "wrong shape" else (lambda m: replace(m, channels=_cropped(m)))
    result = run(chosen, parts=replace(parts, instrument=Dirty(parts.instrument, {1: tamper})))
    assert (result.status, result.exit_code) == ("failed", 1)


def _cropped(measurement):
    cropped = {}
    for name, channel in measurement.channels.items():
        rows = channel.axes[0]
        shorter = Axis(rows.name, rows.unit, rows.values[:-1])
        cropped[name] = Channel(channel.values[:-1], channel.unit, (shorter, channel.axes[1]))
    return cropped
