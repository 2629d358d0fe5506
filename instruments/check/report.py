"""What the conformance suite found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class CheckFailed(AssertionError):
    """An instrument breaks its contract; the message says how."""


class NotApplicable(Exception):
    """A check does not apply to this instrument; the message says why."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:8}{self.name}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True)
class Report:
    """All findings, in the order in which the checks ran."""

    instrument: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(f.name for f in self.findings if f.outcome == "failed")

    def raise_for_failures(self) -> None:
        """Raise CheckFailed with the whole report where a check failed."""
        if self.failed:
            raise CheckFailed(str(self))

    def __str__(self) -> str:
        return "\n".join([self.instrument, *(f"  {finding}" for finding in self.findings)])


def require(holds: bool, otherwise: str) -> None:
    """Raise CheckFailed with `otherwise` unless `holds`."""
    if not holds:
        raise CheckFailed(otherwise)
