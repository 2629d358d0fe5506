"""One request carried out: priced, checked, booked, journalled before and after, never twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.campaign.accounts import Book
from experiments.campaign.ended import Ended
from experiments.campaign.journal import Journal
from experiments.campaign.journal.writer import Record
from experiments.campaign.past import Past
from experiments.config.settings import Budget
from instruments.account import Account
from instruments.conform import conform
from instruments.cost import Cost
from instruments.errors import CalibrationUnknown as CurrentUnknown
from instruments.errors import ConnectionLost, InstrumentError, InvalidRequest, NotSupported, OutOfReach, Refused
from instruments.guard import Limits, Refusal, check
from instruments.measurement import Measurement
from instruments.requests import Request
from instruments.seam import Instrument, Stop, Twin

Purpose = Literal["survey", "action", "housekeeping"]
NOTHING_SENT = (InvalidRequest, NotSupported, OutOfReach, CurrentUnknown, Refused)


@dataclass
class Commander:
    """Everything between a request and its measurement. `spent` is this campaign's own cost so far."""

    instrument: Instrument
    journal: Journal
    past: Past
    account: Account
    book: Book
    limits: Limits
    budget: Budget
    stop: Stop
    on_ambiguous: Literal["ask", "repeat", "skip"] = "ask"
    spent: Cost = field(default_factory=Cost)
    pending: list[Record] = field(default_factory=list)
    refusal: str = ""

    def __post_init__(self) -> None:
        self.capabilities = self.instrument.describe()
        self._twin = self.instrument if isinstance(self.instrument, Twin) else None

    def note(self, kind: str, step: int, payload: Mapping[str, Any]) -> None:
        """Have a record written with the next transaction, unless the journal holds it already."""
        if (kind, step) not in self.past.written:
            self.pending.append((kind, step, payload))

    def flush(self, label: str, *more: Record) -> None:
        """Write what is pending, in one transaction."""
        records, self.pending = [*self.pending, *more], []
        if records:
            self.journal.add(label, records)

    def foresee(self, requests: Sequence[Request]) -> tuple[Cost | None, str]:
        """What requests may cost together, and why one would be refused (empty: none would); nothing is booked."""
        total = Cost()
        for request in requests:
            try:
                price = self.instrument.price(request)
            except InstrumentError as error:
                return None, str(error)
            verdict = check(request, price, self.account, self.limits)
            if isinstance(verdict, Refusal):
                return price, verdict.message
            total = total + price
        return total, ""

    def carry_out(self, id: str, step: int, purpose: Purpose, request: Request) -> Measurement | None:
        """The measurement of a request; None where it was refused or failed, which the journal then says.

        Raises Ended where the budget does not allow it, or where nobody can say whether it was carried out.
        """
        if self.past.knows(id):
            return self._again(id)
        if id in self.past.commands:
            return self._recover(id, step)
        try:
            price = self.instrument.price(request)
        except InstrumentError as error:
            return self._refuse(id, step, request, str(error))
        self._within_budget(price)
        verdict = check(request, price, self.account, self.limits)
        if isinstance(verdict, Refusal):
            return self._refuse(id, step, request, verdict.message, final=verdict.final)
        self._book(id, request, price)
        command = {"id": id, "request": request, "cost": price, "purpose": purpose}
        self.flush("command", ("command", step, command))
        return self._acquire(id, step, request, price)

    def _again(self, id: str) -> Measurement | None:
        if (command := self.past.commands.get(id)) is None:
            return None
        self._book(id, command.request, command.worst)
        measurement = self.past.results.get(id)
        self._settle(id, measurement.cost if measurement else self.past.failed[id])
        return measurement

    def _recover(self, id: str, step: int) -> Measurement | None:
        """What became of a command whose answer the journal does not hold."""
        command = self.past.commands[id]
        self._book(id, command.request, command.worst)
        if (found := self.instrument.lookup(id)) is not None:
            return self._take(id, step, command.request, command.worst, found)
        policy, why = self._policy(command.worst)
        if policy == "ask":
            raise Ended("interrupted", "interrupted", f"command {id} ({command.request.kind}) {why}")
        self.flush("ambiguous", ("ambiguous", step, {"id": id, "policy": policy, "why": why}))
        if policy == "skip":
            return self._fail(id, step, command.worst, Refused("skipped: nobody can say whether it was carried out"))
        return self._acquire(id, step, command.request, command.worst)

    def _policy(self, worst: Cost) -> tuple[str, str]:
        if self._twin is not None:
            return "repeat", "the twin went back to before it"
        if worst.electrons == 0.0 and worst.bias_V_s == 0.0 and worst.contact_nm_nN == 0.0:
            return "repeat", "nothing was at stake but time"
        why = "may or may not have been carried out, and dose was at stake: resume with --on-ambiguous repeat or skip"
        return self.on_ambiguous, why

    def _acquire(self, id: str, step: int, request: Request, worst: Cost) -> Measurement | None:
        try:
            measurement = self.instrument.acquire(request, id=id, stop=self.stop)
        except ConnectionLost as error:
            found = self.instrument.lookup(id)
            return self._take(id, step, request, worst, found) if found else self._fail(id, step, worst, error)
        except InstrumentError as error:
            return self._fail(id, step, Cost() if isinstance(error, NOTHING_SENT) else worst, error)
        return self._take(id, step, request, worst, measurement)

    def _take(self, id: str, step: int, request: Request, worst: Cost, measurement: Measurement) -> Measurement | None:
        try:
            conform(measurement, request, self.capabilities)
        except InstrumentError as error:
            return self._fail(id, step, worst, error)
        self._settle(id, measurement.cost)
        record = {"id": id, "measurement": measurement, "snapshot": self._snapshot()}
        self.journal.add("result", [("result", step, record)])
        return measurement

    def _fail(self, id: str, step: int, cost: Cost, error: InstrumentError) -> Measurement | None:
        self._settle(id, cost)
        record = {"id": id, "error": type(error).__name__, "message": str(error), "cost": cost}
        self.journal.add("failed", [("failed", step, record | {"snapshot": self._snapshot()})])
        return None

    def _refuse(self, id: str, step: int, request: Request, why: str, *, final: bool = False) -> Measurement | None:
        self.refusal = why
        self.flush("refused", ("refused", step, {"id": id, "request": request, "why": why}))
        if final:
            raise Ended("refused", "guard", f"the guard refused {request.kind}: {why}")
        return None

    def _within_budget(self, price: Cost) -> None:
        for name in ("seconds", "electrons"):
            limit = getattr(self.budget, name)
            left = None if limit is None else limit - getattr(self.spent, name)
            if left is not None and getattr(price, name) > left:
                message = f"{left:.4g} {name} are left, the next measurement may take {getattr(price, name):.4g}"
                raise Ended("finished", "seconds" if name == "seconds" else "electrons", message)

    def _book(self, id: str, request: Request, worst: Cost) -> None:
        self.account.book(id, request, worst)
        self.book.book(id, request, worst)

    def _settle(self, id: str, actual: Cost) -> None:
        self.account.settle(id, actual)
        self.book.settle(id, actual)
        self.spent = self.spent + actual

    def _snapshot(self) -> Mapping[str, Any] | None:
        return None if self._twin is None else self._twin.snapshot()
