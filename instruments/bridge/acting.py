"""What the server does with the instrument for a client: every request is checked, priced, held against the limits.

The server's account and limits are its own; they refuse whatever the client's guard would have allowed. With a ledger,
what was carried out is known by its id also after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from instruments.account import Account
from instruments.bridge.audit import Audit
from instruments.bridge.jobs import Job
from instruments.bridge.ledger import Ledger
from instruments.bridge.settings import ServerSettings
from instruments.bridge.spoken import measurement_to_wire
from instruments.cost import Cost
from instruments.errors import (
    CalibrationUnknown,
    DataInvalid,
    InstrumentError,
    InvalidRequest,
    NotSupported,
    OutOfReach,
    Refused,
    Stopped,
)
from instruments.guard import Refusal, check, needs_current, require_current
from instruments.measurement import Measurement
from instruments.requests import Request, from_plain
from instruments.seam import Instrument, Twin

_NOTHING_SENT = (InvalidRequest, NotSupported, OutOfReach, CalibrationUnknown, Refused)
_LONGEST_ID = 512


class Acting:
    """The operations that reach the instrument, all called by the worker's thread."""

    def __init__(
        self,
        instrument: Instrument,
        settings: ServerSettings,
        audit: Audit,
        ledger: Ledger | None,
    ) -> None:
        self.instrument, self._settings, self._audit, self._ledger = instrument, settings, audit, ledger
        self.capabilities = instrument.describe()
        self.is_twin = self.capabilities.episodes and isinstance(instrument, Twin)
        if needs_current(settings.limits):
            require_current(self.capabilities)
        self._account = self._fresh_account()
        if ledger is not None:
            for id, request, cost in ledger.bookings():
                self._account.book(id, request, cost)

    @property
    def operations(self) -> Mapping[str, Callable[[Job], Any]]:
        """By name: those that anybody may ask for, and those that need the lease."""
        known: dict[str, Callable[[Job], Any]] = {
            "price": self._price,
            "lookup": self._lookup,
            "acquire": self._acquire,
        }
        if self.is_twin:
            known.update(reset=self._reset, snapshot=self._snapshot, restore=self._restore, truth=self._truth)
        return known

    def _price(self, job: Job) -> Any:
        return self.instrument.price(_request(job)).as_dict()

    def _lookup(self, job: Job) -> Any:
        found = self._known(_id(job))
        return None if found is None else measurement_to_wire(found)

    def _acquire(self, job: Job) -> Any:
        id = _id(job)
        known = self._known(id)
        return measurement_to_wire(known if known is not None else self._carry_out(id, _request(job), job))

    def _carry_out(self, id: str, request: Request, job: Job) -> Measurement:
        worst = self.instrument.price(request)
        verdict = check(request, worst, self._account, self._settings.limits)
        if isinstance(verdict, Refusal):
            raise Refused(f"the instrument's own guard: {verdict.message}")
        if job.given_up or job.safe_asked:
            raise Stopped(f"{request.kind} {id!r} was ended before it began: the instrument was made safe")
        job.may_take(worst.seconds * self._settings.watchdog_factor + self._settings.watchdog_s)
        self._account.book(id, request, worst)
        if self._ledger is not None:
            self._ledger.begin(id, request, worst)
        self._audit.note("acquire", id=id, kind=request.kind, seconds=worst.seconds)
        try:
            measurement = self.instrument.acquire(request, id=id, stop=job.stop)
        except InstrumentError as error:
            self._settle(id, Cost() if isinstance(error, _NOTHING_SENT) else worst, None)
            raise
        self._settle(id, measurement.cost, measurement)
        return measurement

    def _settle(self, id: str, cost: Cost, measurement: Measurement | None) -> None:
        self._account.settle(id, cost)
        if self._ledger is not None:
            self._ledger.settle(id, cost, measurement)

    def _known(self, id: str) -> Measurement | None:
        found = None if self._ledger is None else self._ledger.result(id)
        return found if found is not None else self.instrument.lookup(id)

    def _reset(self, job: Job) -> Any:
        seed, scenario = job.call.body.get("seed"), job.call.body.get("scenario")
        if type(seed) is not int or not isinstance(scenario, dict):
            raise DataInvalid("reset needs a seed and a scenario")
        self._twin().reset(seed, scenario)
        self._account = self._fresh_account()

    def _snapshot(self, job: Job) -> Any:
        return self._twin().snapshot()

    def _restore(self, job: Job) -> Any:
        snapshot = job.call.body.get("snapshot")
        if not isinstance(snapshot, dict):
            raise DataInvalid("restore needs a snapshot")
        try:
            self._twin().restore(snapshot)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataInvalid(f"the snapshot is none of this twin: {type(error).__name__}: {error}") from None

    def _truth(self, job: Job) -> Any:
        return dict(self._twin().truth())

    def _twin(self) -> Twin:
        assert isinstance(self.instrument, Twin)
        return self.instrument

    def _fresh_account(self) -> Account:
        return Account(self.capabilities.field, self._settings.limits.fluence_pixel_nm)


def _id(job: Job) -> str:
    id = job.call.body.get("id")
    if not (isinstance(id, str) and 0 < len(id) <= _LONGEST_ID):
        raise InvalidRequest(f"an id is text of 1 to {_LONGEST_ID} characters")
    return id


def _request(job: Job) -> Request:
    """The request of a call, built anew and so checked; raises InvalidRequest."""
    plain = job.call.body.get("request")
    try:
        made = from_plain(plain) if isinstance(plain, dict) else None
    except InstrumentError:
        raise
    except Exception as error:  # a forged value may break a class's own check in any way
        raise InvalidRequest(f"the request cannot be built: {type(error).__name__}: {error}") from None
    if not isinstance(made, Request):
        raise InvalidRequest("a request must be a mapping with its kind and fields")
    return made
