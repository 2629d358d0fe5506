"""Exit codes, and errors as one line on standard error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

DONE, FAILED, USAGE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 130


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """Turn an exception into one line on standard error and an exit code; a traceback only where `debug` says so."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"error: {line(error)}", file=sys.stderr)
        raise typer.Exit(code_of(error)) from None


def code_of(error: BaseException) -> int:
    """The exit code that an exception means."""
    from experiments.config.errors import ConfigError
    from instruments.errors import (
        CalibrationUnknown,
        DataInvalid,
        InvalidRequest,
        NotSupported,
        OutOfReach,
        Refused,
    )

    if isinstance(error, (Refused, CalibrationUnknown)):  # a dose limit that could not be kept is a refusal
        return REFUSED
    asked_wrongly = (ConfigError, DataInvalid, InvalidRequest, NotSupported, OutOfReach)  # all before anything began
    return USAGE if isinstance(error, asked_wrongly) else FAILED


def line(error: BaseException) -> str:
    """What went wrong, in one line; of an error that nobody foresaw also its class and how to see more."""
    from agents.protocol import AgentError
    from experiments.campaign.journal.errors import JournalError
    from experiments.campaign.people.mailbox import Answered
    from experiments.config.errors import ConfigError
    from instruments.errors import InstrumentError

    text = " ".join(str(error).split())
    if text and isinstance(error, (ConfigError, InstrumentError, AgentError, JournalError, Answered)):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where)"
