"""A twin's kernel as an instrument: one row of a batch, with ids, chunks, stop and snapshots."""

from __future__ import annotations

import dataclasses
import functools
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np

from instruments import keys
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.cost import Cost
from instruments.errors import Closed, DataInvalid, Stopped
from instruments.keys import Keys
from instruments.measurement import Channel, Measurement
from instruments.requests import Request
from instruments.seam import Stop
from physics_priors.bounds import Bounds

W = TypeVar("W")


class Core(Protocol[W]):
    """A kernel over a batch of worlds: what a twin or a recording is, without any of an instrument's ceremony.

    A world is a frozen dataclass of arrays [B, ...]; `changing` names its fields that differ after `begin`, which
    are all that a snapshot needs. Nothing in here holds state; a batch of one and of thousands agree bit for bit.
    """

    changing: ClassVar[tuple[str, ...]]

    def describe(self) -> Capabilities:
        """What it can do; the same for all rows."""
        ...

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> W:
        """Fresh worlds, one per key; raises DataInvalid on an unknown scenario key."""
        ...

    def price(self, world: W, batch: RequestBatch) -> CostBatch:
        """Worst-case cost of every row from where its probe is; raises NotSupported, OutOfReach, CalibrationUnknown."""
        ...

    def perform(self, world: W, batch: RequestBatch, keys: Keys) -> tuple[W, ResultBatch]:
        """Carry the requests out with the randomness of `keys` [B], fresh for every request."""
        ...

    def truth(self, world: W, row: int) -> Mapping[str, Any]:
        """What only the twin knows of one row."""
        ...

    def flawless(self) -> Core[W]:
        """The same samples seen without noise, failures and drift; for the benchmark alone."""
        ...


@runtime_checkable
class Partial(Protocol):
    """A core that knows what its worlds are when a request is ended early: where events happen at instants."""

    def perform_part(self, world: Any, batch: RequestBatch, keys: Keys, reached: float) -> tuple[Any, ResultBatch]:
        """The request of `perform` with the same keys, ended at the fraction `reached` in (0, 1) of its time.

        The results have the shapes of the whole request, the cost is that of the part.
        """
        ...


@dataclass
class _Done:
    """A request that was carried out; its measurement is made when somebody wants it."""

    number: int
    id: str
    batch: RequestBatch
    result: ResultBatch
    elapsed_s: float
    reached: float
    request: Request | None

    @functools.cached_property
    def measurement(self) -> Measurement:
        request = self.request or self.batch.row(0)
        whole = self.result.row(0, self.id, request, {"elapsed_s": self.elapsed_s})
        return whole if self.reached == 1 else _leading(whole, self.reached)


_CHUNK_S = 0.05
_KEYS = 128
_FEWEST, _MOST_UNPACED, _AT_ONCE_S = 8, 10_000, 5.0


class Embedded:
    """A core with one world, as an instrument in this process: it fulfils `instruments.seam.Twin`.

    Request number i (from 0) of a world of root key k is carried out with `keys.fold(k, i + 1)`, and the world is
    `core.begin(k)`: who computes on batches gets the same numbers. The last measurement of every id is kept until
    the next `reset`, so that an id is never carried out twice. `Register` is a request like any other: the core's
    world holds the shift. Ended early, leading rows are kept, numbers of the world that change go the same fraction
    of their way, and the cost is that fraction; a request that raises Stopped was never carried out. `make_safe` never
    waits for an acquisition and may be called at any time, also after `close`; the next request ends the safe state.
    """

    def __init__(self, core: Core[Any], *, pace: Annotated[float, Bounds("", 0.0, 1000.0)] = 0.0) -> None:
        """`pace` is real time per instrument time: 0 is as fast as possible, 1 is real time."""
        self.core = core
        self._pace = pace
        self._busy = threading.RLock()
        self._safe, self._closed = threading.Event(), threading.Event()
        self._world: Any = None
        self._done: dict[str, _Done] = {}
        self._priced: tuple[Request, Any, RequestBatch] | None = None
        self._begin(0, {})

    def describe(self) -> Capabilities:
        self._open()
        return self.core.describe()

    def price(self, request: Request) -> Cost:
        self._open()
        world, batch = self._world, self._checked(request)
        price = self.core.price(world, batch).row(0)
        self._priced = (request, world, batch)
        return price

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        with self._busy:
            self._open()
            if id not in self._done:
                self._carry_out(self._allowed(request), id, stop, request)
            return self._done[id].measurement

    def acquire_batch(self, batch: RequestBatch, *, id: str, stop: Stop) -> ResultBatch:
        """As `acquire`, for a request that is still a batch of one row: it is not validated, nor priced on its own.

        What the core cannot do it refuses here too. For environments that have no limits to keep.
        """
        with self._busy:
            self._open()
            done = self._done.get(id) or self._carry_out(batch, id, stop)
            return done.result if done.reached == 1 else ResultBatch.of(done.measurement)

    def lookup(self, id: str) -> Measurement | None:
        self._open()
        known = self._done.get(id)
        return None if known is None else known.measurement

    def make_safe(self) -> None:
        self._safe.set()

    def close(self) -> None:
        self._closed.set()
        self._safe.set()

    def reset(self, seed: int, scenario: Mapping[str, Any]) -> None:
        with self._busy:
            self._open()
            self._begin(seed, scenario)

    def snapshot(self) -> Mapping[str, Any]:
        with self._busy:
            self._open()
            world = {name: np.array(getattr(self._world, name)) for name in self.core.changing}
            return {
                "world": world,
                "requests": self._requests,
                "elapsed_s": self._elapsed_s,
                "safe": self._safe.is_set(),
            }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Ids carried out after the snapshot are forgotten: in that world they never were."""
        with self._busy:
            self._open()
            world = {name: np.array(value) for name, value in snapshot["world"].items()}
            if sorted(world) != sorted(self.core.changing):
                raise DataInvalid(f"the snapshot holds {sorted(world)}, this twin changes {sorted(self.core.changing)}")
            if other := [n for n, array in world.items() if array.shape != np.shape(getattr(self._world, n))]:
                raise DataInvalid(f"the snapshot's {', '.join(other)} are of another version or sample of this twin")
            self._world = dataclasses.replace(self._world, **world)
            self._requests, self._elapsed_s = int(snapshot["requests"]), float(snapshot["elapsed_s"])
            self._done = {id: known for id, known in self._done.items() if known.number <= self._requests}
            (self._safe.set if snapshot["safe"] else self._safe.clear)()

    def truth(self) -> Mapping[str, Any]:
        self._open()
        return dict(self.core.truth(self._world, 0))

    def _begin(self, seed: int, scenario: Mapping[str, Any]) -> None:
        self._root = keys.keys(seed)
        self._first_key, self._next_keys = 0, self._root[:0]
        self._world = self.core.begin(self._root, scenario)
        self._requests, self._elapsed_s = 0, 0.0
        self._done = {}
        self._safe.clear()

    def _carry_out(self, batch: RequestBatch, id: str, stop: Stop, request: Request | None = None) -> _Done:
        if self._safe.is_set():
            self._safe.clear()
            self._open()  # `close` may have come in between
        randomness = self._key_of(self._requests + 1)
        after, result = self.core.perform(self._world, batch, randomness)
        reached = self._wait(float(result.cost.seconds[0]), stop)
        if reached < 1 and isinstance(self.core, Partial):
            after, result = self.core.perform_part(self._world, batch, randomness, reached)
        elif reached < 1:
            after = _part_way(self._world, after, self.core.changing, reached)
            result = dataclasses.replace(result, cost=result.cost.scaled(reached))
        elapsed_s = self._elapsed_s + float(result.cost.seconds[0])
        done = _Done(self._requests + 1, id, batch, result, elapsed_s, reached, request)
        if reached < 1:
            done.measurement  # noqa: B018 (raises Stopped, and then nothing was carried out)
        self._world, self._elapsed_s, self._requests = after, elapsed_s, done.number
        self._done[id] = done
        return done

    def _key_of(self, number: int) -> Keys:
        """`keys.fold(root, number)`, hashed for many numbers at once, which costs little more than for one."""
        row = number - self._first_key
        if not 0 <= row < len(self._next_keys):
            self._first_key, row = number, 0
            self._next_keys = keys.fold(np.repeat(self._root, _KEYS), number + np.arange(_KEYS))
        return self._next_keys[row : row + 1]

    def _allowed(self, request: Request) -> RequestBatch:
        """The request as a batch; raises as `price` does, which need not look twice at the same request and world."""
        if self._priced is None or self._priced[0] is not request or self._priced[1] is not self._world:
            self.price(request)
        assert self._priced is not None
        return self._priced[2]

    def _wait(self, seconds: float, stop: Stop) -> float:
        """Let the instrument's time pass in chunks; the fraction reached when somebody ended it."""
        if self._pace == 0 and seconds <= _AT_ONCE_S and type(stop) is threading.Event:
            return 0.0 if stop.is_set() or self._safe.is_set() else 1.0  # over before anybody could set it
        chunks = max(_FEWEST, math.ceil(seconds * (self._pace or 1.0) / _CHUNK_S))
        if self._pace == 0:
            chunks = min(chunks, _MOST_UNPACED)
        pause = self._pace * seconds / chunks
        for chunk in range(chunks):
            if stop.is_set() or (self._safe.wait(pause) if pause else self._safe.is_set()):
                return chunk / chunks
        return 1.0

    def _checked(self, request: Request) -> RequestBatch:
        request.__post_init__()  # a frozen request can still be forged, and the wire is no place to trust
        return RequestBatch.of(request)

    def _open(self) -> None:
        if self._closed.is_set():
            raise Closed(f"{self.core.describe().name} was closed: open a new one")


def _part_way(before: Any, after: Any, changing: tuple[str, ...], reached: float) -> Any:
    """The world at a fraction of a request: numbers on the straight line, everything else as at its end."""
    moved = {}
    for name in changing:
        first, last = np.asarray(getattr(before, name)), np.asarray(getattr(after, name))
        moved[name] = first + reached * (last - first) if np.issubdtype(last.dtype, np.floating) else last
    return dataclasses.replace(after, **moved)


def _leading(whole: Measurement, reached: float) -> Measurement:
    """What was reached of a measurement; raises Stopped where that is no row of any channel."""
    kept = {name: int(reached * len(channel.values)) for name, channel in whole.channels.items()}
    if not any(kept.values()):
        raise Stopped(f"{whole.request.kind} {whole.id!r} was ended before its first row was complete")
    channels = {name: _cut(channel, kept[name]) for name, channel in whole.channels.items()}
    note = f"ended early: {100 * reached:.0f} % of {whole.request.kind} was carried out"
    return dataclasses.replace(whole, channels=channels, complete=False, note=note)


def _cut(channel: Channel, rows: int) -> Channel:
    values = np.array(channel.values, dtype=np.result_type(channel.values.dtype, np.float16))
    values[rows:] = np.nan
    return Channel(values, channel.unit, channel.axes)
