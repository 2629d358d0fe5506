"""The checks, in the order in which they run; the last one closes the instrument.

To add one, write a function of a `Bench` that raises CheckFailed (`require`) or NotApplicable, and put it in CHECKS.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from instruments.check.bench import Bench, Interruption, plain, same
from instruments.check.examples import examples, outside
from instruments.check.report import CheckFailed, NotApplicable, require
from instruments.conform import conform
from instruments.errors import Closed, InvalidRequest, NotSupported, OutOfReach
from instruments.measurement import Measurement
from instruments.requests import KINDS, Request

_SNAPSHOT_BYTES = 1_000_000


def describes_itself(bench: Bench) -> None:
    """Capabilities are constant, name known kinds only, and declare channels and units for each."""
    first, second = bench.instrument.describe(), bench.instrument.describe()
    for name in ("name", "family", "requests", "field", "channels", "limits", "settings", "episodes"):
        require(getattr(first, name) == getattr(second, name), f"describe().{name} changes between two calls")
    require(first.requests <= set(KINDS), f"unknown request kinds: {sorted(first.requests - set(KINDS))}")
    missing = sorted(first.requests - set(first.channels))
    require(not missing, f"no channels declared for {', '.join(missing)}")


def results_carry_declared_units(bench: Bench) -> None:
    """Every measurement fits its request and holds declared channels in declared units, on axes with units."""
    for request in bench.requests:
        measurement = conform(bench.acquire(request), request, bench.capabilities)
        require(measurement.complete, f"{request.kind} came back incomplete though nobody stopped it")
        axes = [axis for channel in measurement.channels.values() for axis in channel.axes]
        require(all(axis.name for axis in axes), f"{request.kind} has an axis without a name")


def price_bounds_cost(bench: Bench) -> None:
    """No request costs more than its price from where the instrument was."""
    for request in bench.requests:
        price, cost = bench.instrument.price(request).as_dict(), bench.acquire(request).cost.as_dict()
        for name, most in price.items():
            require(math.isfinite(most) and most >= 0, f"price of {request.kind}: {name} is {most}")
            require(
                0 <= cost[name] <= most * (1 + 1e-9) + 1e-12,
                f"{request.kind} cost {name}={cost[name]:g}, priced at {most:g}",
            )


def unsupported_is_refused(bench: Bench) -> None:
    """A kind that is not among the capabilities raises NotSupported, and nothing moves."""
    everything = dataclasses.replace(bench.capabilities, requests=frozenset(KINDS), limits={}, settings={})
    foreign = [r for r in examples(everything) if r.kind not in bench.capabilities.requests]
    if not foreign:
        raise NotApplicable("it has every kind of request")
    _refused(bench, foreign[0], NotSupported)


def out_of_reach_is_refused(bench: Bench) -> None:
    """A place outside the field raises OutOfReach, and nothing moves."""
    for request in bench.requests:
        moved = outside(request, bench.capabilities)
        if moved is not None:
            _refused(bench, moved, OutOfReach)


def limits_are_held(bench: Bench) -> None:
    """A value beyond a declared limit raises OutOfReach, and nothing moves."""
    tried = 0
    for request in bench.requests:
        for name, allowed in bench.capabilities.limits.items():
            for beyond in (allowed.high + abs(allowed.high) + 1, allowed.low - abs(allowed.low) - 1):
                changed = _changed(request, name, beyond)
                if changed is not None:
                    _refused(bench, changed, OutOfReach, InvalidRequest)
                    tried += 1
    if not tried:
        raise NotApplicable("no limits declared")


def settings_are_held(bench: Bench) -> None:
    """A value other than the only one that an instrument has raises NotSupported, and nothing moves."""
    tried = 0
    for request in bench.requests:
        for name, only in bench.capabilities.settings.get(request.kind, {}).items():
            changed = _changed(request, name, only * 2 + 1)
            if changed is not None:
                _refused(bench, changed, NotSupported, OutOfReach)
                tried += 1
    if not tried:
        raise NotApplicable("no fixed settings declared")


def invalid_is_refused(bench: Bench) -> None:
    """A request that was tampered with after it was built (NaN, negative time) is refused, and nothing moves."""
    bad: dict[str, Any] = {"position_nm": (math.nan, 0.0), "center_nm": (math.nan, 0.0)}
    bad |= {"dwell_s": -1.0, "exposure_s": math.inf}
    for request in bench.requests:
        for name in bad.keys() & {f.name for f in dataclasses.fields(request)}:
            forged = copy.copy(request)
            object.__setattr__(forged, name, bad[name])
            _refused(bench, forged, InvalidRequest, OutOfReach)


def ids_are_idempotent(bench: Bench) -> None:
    """An id seen before gives the same measurement again, and nothing is done."""
    for request in bench.requests:
        id = bench.id()
        first = bench.acquire(request, id)
        bench.acquire(bench.longest)
        before = bench.state()
        require(same(first, bench.acquire(request, id)), f"{request.kind}: the same id gave another measurement")
        require(bench.state() == before, f"{request.kind}: the same id moved the instrument again")


def lookup_tells(bench: Bench) -> None:
    """`lookup` knows what was carried out, and None for what never was."""
    require(bench.instrument.lookup(bench.id()) is None, "lookup knows an id that was never used")
    id = bench.id()
    measurement = bench.acquire(bench.longest, id)
    found = bench.instrument.lookup(id)
    require(found is not None and same(found, measurement), "lookup does not give what acquire gave")


def stop_is_heeded(bench: Bench) -> None:
    """A stop set beforehand, or by another thread while `acquire` blocks, ends it early."""
    stop = threading.Event()
    stop.set()
    id = bench.id()
    _ended_early(bench, id, bench.stopped(bench.longest, id, stop), "a stop set beforehand")
    for poll in (1, 4):
        interruption = Interruption(poll, bench.patience_s)
        _interrupted(bench, interruption, "a stop from another thread")


def make_safe_is_heeded(bench: Bench) -> None:
    """`make_safe` from another thread returns while `acquire` blocks, and ends it early."""
    for poll in (2, 4):
        interruption = Interruption(poll, bench.patience_s, bench.instrument.make_safe)
        _interrupted(bench, interruption, "make_safe from another thread")


def make_safe_is_not_final(bench: Bench) -> None:
    """`make_safe` may be called at any time, twice too; the next request is carried out."""
    for _ in range(2):
        bench.bounded(bench.instrument.make_safe, "make_safe")
    require(bench.acquire(bench.longest).complete, "nothing complete can be acquired after make_safe")


def reset_is_deterministic(bench: Bench) -> None:
    """The same seed and scenario give the same measurements, and old ids are forgotten.

    Another seed gives others where the data are simulated.
    """
    first, again, other = (_episode(bench, seed) for seed in (11, 11, 12))
    require(first == again, "the same seed and scenario gave other measurements")
    require(first != other or not bench.capabilities.simulated, "another seed gave the same measurements")
    bench.acquire(bench.longest, "check-before-reset")
    bench.twin.reset(11, {})
    require(bench.instrument.lookup("check-before-reset") is None, "an id is known from before the reset")


def snapshots_restore(bench: Bench) -> None:
    """A snapshot is small and plain; after `restore` the same requests give the same bits, and later ids are gone."""
    twin = bench.twin
    twin.reset(13, {})
    _all(bench)
    snapshot = copy.deepcopy(twin.snapshot())
    weight = len(repr(plain(snapshot)))
    require(weight < _SNAPSHOT_BYTES, f"a snapshot weighs {weight} bytes, more than {_SNAPSHOT_BYTES}")
    bench.acquire(bench.longest, "check-after-snapshot")
    onward = _all(bench)
    twin.restore(copy.deepcopy(snapshot))
    require(plain(twin.snapshot()) == plain(snapshot), "restore does not bring the snapshot back")
    require(bench.instrument.lookup("check-after-snapshot") is None, "restore keeps an id from after the snapshot")
    bench.acquire(bench.longest, "check-after-snapshot")
    require(_all(bench) == onward, "after restore the same requests gave other measurements")


def close_is_final(bench: Bench) -> None:
    """`close` may be called twice; then everything raises Closed, but for `make_safe`, which never fails."""
    request = bench.longest
    for _ in range(2):
        bench.bounded(bench.instrument.close, "close")
    calls: dict[str, Callable[[], Any]] = {
        "describe": bench.instrument.describe,
        "price": lambda: bench.instrument.price(request),
        "acquire": lambda: bench.acquire(request),
        "lookup": lambda: bench.instrument.lookup("any"),
    }
    for name, call in calls.items():
        try:
            call()
        except Closed:
            continue
        raise CheckFailed(f"{name} still answers after close")
    bench.instrument.make_safe()


CHECKS: tuple[Callable[[Bench], None], ...] = (
    describes_itself,
    results_carry_declared_units,
    price_bounds_cost,
    unsupported_is_refused,
    out_of_reach_is_refused,
    limits_are_held,
    settings_are_held,
    invalid_is_refused,
    ids_are_idempotent,
    lookup_tells,
    stop_is_heeded,
    make_safe_is_heeded,
    make_safe_is_not_final,
    reset_is_deterministic,
    snapshots_restore,
    close_is_final,
)


def _refused(bench: Bench, request: Request, *expected: type[Exception]) -> None:
    """Price and acquire both raise what is expected, nothing moves, and the id stays unknown."""
    before, id, named = bench.state(), bench.id(), " or ".join(e.__name__ for e in expected)
    calls: dict[str, Callable[[], Any]] = {
        "price": lambda: bench.instrument.price(request),
        "acquire": lambda: bench.acquire(request, id),
    }
    for name, call in calls.items():
        try:
            call()
        except expected:
            continue
        raise CheckFailed(f"{name} took {request}, which needs {named}")
    require(bench.state() == before, f"the refused {request.kind} moved the instrument")
    require(bench.instrument.lookup(id) is None, f"the refused {request.kind} left a result behind")


def _changed(request: Request, name: str, value: float) -> Request | None:
    """The request with another value; None where it has no such field, or cannot even be built."""
    present = getattr(request, name, None)
    if present is None or not math.isfinite(value):
        return None
    if isinstance(present, tuple):
        changed: Any = tuple(value for _ in present)
    else:
        changed = type(present)(value)
    try:
        return dataclasses.replace(request, **{name: changed})
    except InvalidRequest:
        return None


def _interrupted(bench: Bench, interruption: Interruption, what: str) -> None:
    id, request = bench.id(), bench.longest
    measurement = bench.stopped(request, id, interruption)
    require(not interruption.blocked, f"{what} was kept waiting by acquire({request.kind})")
    require(interruption.polls > 0, f"acquire({request.kind}) never asked whether to stop")
    _ended_early(bench, id, measurement, what)


def _ended_early(bench: Bench, id: str, measurement: Measurement | None, what: str) -> None:
    """Stopped and unknown, or marked incomplete, NaN from some row on, known by its id, and paid for in part."""
    found = bench.instrument.lookup(id)
    if measurement is None:
        require(found is None, f"lookup gives a measurement for an id that {what} ended with Stopped")
        return
    require(not measurement.complete, f"{what} did not end {measurement.request.kind} early, or it came back complete")
    require(bool(measurement.note), "an incomplete measurement has no note that says why")
    require(found is not None and same(found, measurement), "lookup does not give the incomplete measurement")
    for name, channel in measurement.channels.items():
        missing = np.isnan(channel.values).reshape(len(channel.values), -1).any(axis=1)
        require(bool(missing[-1]), f"{name}: what was not reached is not NaN")
    channels = measurement.channels.values()
    require(not all(np.isnan(c.values).all() for c in channels), "nothing was reached, which is Stopped")


def _episode(bench: Bench, seed: int) -> list[Any]:
    bench.twin.reset(seed, {})
    return _all(bench)


def _all(bench: Bench) -> list[Any]:
    """All requests once: their channels and costs as plain values."""
    done = [bench.acquire(request) for request in bench.requests]
    return [plain([{n: c.values for n, c in m.channels.items()}, m.cost.as_dict()]) for m in done]
