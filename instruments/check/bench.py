"""The bench: the instrument under test with what the checks need, and the run over all checks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from instruments.check.examples import examples
from instruments.check.report import CheckFailed, Finding, NotApplicable, Report, require
from instruments.errors import InstrumentError, Stopped
from instruments.measurement import Measurement, array_to_plain, measurement_to_plain
from instruments.requests import Register, Request
from instruments.seam import Instrument, Stop, Twin

T = TypeVar("T")


class Bench:
    """An instrument under test, with ids that are never used twice and patience that ends."""

    def __init__(self, instrument: Instrument, requests: Sequence[Request] | None, patience_s: float) -> None:
        self.instrument, self.patience_s = instrument, patience_s
        self.capabilities = instrument.describe()
        self.requests = list(examples(self.capabilities) if requests is None else requests)
        self._count = 0

    @property
    def twin(self) -> Twin:
        """The instrument as a twin; raises NotApplicable where it is none."""
        if not (self.capabilities.episodes and isinstance(self.instrument, Twin)):
            raise NotApplicable("not a twin")
        return self.instrument

    @property
    def longest(self) -> Request:
        """The request that takes longest, among those that give data."""
        giving = [r for r in self.requests if not isinstance(r, Register)]
        if not giving:
            raise NotApplicable("no request to try")
        return max(giving, key=lambda r: self.instrument.price(r).seconds)

    def id(self) -> str:
        """A new id."""
        self._count += 1
        return f"check-{threading.get_ident()}-{self._count}"

    def acquire(self, request: Request, id: str | None = None, stop: Stop | None = None) -> Measurement:
        """Acquire in a thread of its own; raises CheckFailed where it does not come back."""
        id, stop = id or self.id(), stop or threading.Event()
        return self.bounded(lambda: self.instrument.acquire(request, id=id, stop=stop), f"acquire({request.kind})")

    def stopped(self, request: Request, id: str, stop: Stop) -> Measurement | None:
        """What a stopped acquisition gave; None where it raised Stopped."""
        try:
            return self.acquire(request, id, stop)
        except Stopped:
            return None

    def bounded(self, call: Callable[[], T], what: str) -> T:
        """The result of a call, which must come back in time."""
        box: list[Any] = []
        thread = threading.Thread(target=_into, args=(box, call), daemon=True)
        thread.start()
        thread.join(self.patience_s)
        require(not thread.is_alive(), f"{what} did not come back within {self.patience_s:g} s")
        result, error = box
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def state(self) -> Any:
        """What must not change when nothing moves: a twin's snapshot, else what the requests would cost from here."""
        if self.capabilities.episodes and isinstance(self.instrument, Twin):
            return plain(self.instrument.snapshot())
        return [self.instrument.price(request) for request in self.requests]


class Interruption:
    """A stop; while `acquire` asks it for the `poll`-th time, another thread acts, and the answer waits for that.

    The act is to set the stop itself, or what is given.
    """

    def __init__(self, poll: int, patience_s: float, act: Callable[[], Any] | None = None) -> None:
        self.flag = threading.Event()
        self.polls, self.blocked = 0, False
        self._act, self._poll, self._patience_s = act or self.flag.set, poll, patience_s

    def is_set(self) -> bool:
        """Whether the stop was set before this question."""
        before = self.flag.is_set()
        self.polls += 1
        if self.polls == self._poll:
            thread = threading.Thread(target=self._act, daemon=True)
            thread.start()
            thread.join(self._patience_s)
            self.blocked = thread.is_alive()
        return before


def check(instrument: Instrument, requests: Sequence[Request] | None = None, *, patience_s: float = 120.0) -> Report:
    """Run all checks and close the instrument; `requests` None tries one example of every kind it has.

    A call that does not come back within `patience_s` has failed; a twin may compile for half a minute at first.
    """
    from instruments.check.checks import CHECKS

    bench = Bench(instrument, requests, patience_s)
    findings = [_finding(test.__name__, test, bench) for test in CHECKS]
    return Report(bench.capabilities.name, tuple(findings))


def same(one: Measurement, other: Measurement) -> bool:
    """Whether two measurements agree bit for bit."""
    return measurement_to_plain(one) == measurement_to_plain(other)


def plain(value: Any) -> Any:
    """Nested values with arrays as bytes, so that they can be compared and weighed."""
    if hasattr(value, "dtype"):
        return array_to_plain(value)
    if hasattr(value, "items"):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    require(value is None or isinstance(value, (bool, int, float, str, bytes)), f"{value!r} is not a plain value")
    return value


def _finding(name: str, test: Callable[[Bench], None], bench: Bench) -> Finding:
    try:
        test(bench)
    except NotApplicable as why:
        return Finding(name, "skipped", str(why))
    except CheckFailed as how:
        return Finding(name, "failed", str(how))
    except InstrumentError as error:
        return Finding(name, "failed", f"{type(error).__name__}: {error}")
    except Exception as error:  # a driver may raise anything: that is a finding, not a crash of the suite
        return Finding(name, "failed", f"unexpected {type(error).__name__}: {error}")
    return Finding(name, "passed")


def _into(box: list[Any], call: Callable[[], Any]) -> None:
    try:
        box.extend((call(), None))
    except BaseException as error:  # handed to the thread that waits
        box.extend((None, error))
