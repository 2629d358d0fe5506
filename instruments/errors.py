"""The exception tree of everything that touches an instrument.

InstrumentError                 retryable, state_known: may it be tried again; is the instrument's state known
├── InvalidRequest              a field of a request is out of its range: nothing was sent
├── NotSupported                this instrument cannot do that request: nothing was sent
├── OutOfReach                  a place or value lies outside the instrument's limits: nothing was sent
├── CalibrationUnknown          a price needs a calibration (the current, say) that is not known
├── Refused                     the guard refused the request: nothing was sent
├── Stopped                     ended by `stop` or `make_safe` before there was anything to return
├── DataInvalid                 data or a file is damaged, truncated, of an unknown format or shape
├── ConnectionLost              the answer was lost: look the command up by its id
├── HardwareFault               the instrument reports a failure
└── Closed                      the instrument was closed
"""

from __future__ import annotations


class InstrumentError(Exception):
    """Something an instrument, or the way to it, could not do."""

    retryable = False
    state_known = True


class InvalidRequest(InstrumentError, ValueError):
    """A field of a request is outside its range or not a number."""


class NotSupported(InstrumentError):
    """The instrument has no such request."""


class OutOfReach(InstrumentError):
    """A position or value lies outside what the instrument can reach."""


class CalibrationUnknown(InstrumentError):
    """A calibration that the price or the dose needs is not known."""


class Refused(InstrumentError):
    """The guard refused the request."""


class Stopped(InstrumentError):
    """The request was ended before it gave anything."""

    retryable = True


class DataInvalid(InstrumentError):
    """Data or a file cannot be used as what it claims to be."""


class ConnectionLost(InstrumentError):
    """The answer to a command was lost; whether it was carried out is not known."""

    retryable = True
    state_known = False


class HardwareFault(InstrumentError):
    """The instrument reports a failure of its own."""

    state_known = False


class Closed(InstrumentError):
    """The instrument was closed; nothing more can be asked of it."""
