"""What an error means to a script that called the command."""

from __future__ import annotations

import pytest

from agents.protocol import AgentError
from experiments.campaign.journal import JournalDamaged, JournalFull
from experiments.cli.exits import FAILED, REFUSED, USAGE, code_of
from experiments.config import ConfigError
from instruments.errors import CalibrationUnknown, DataInvalid, HardwareFault, NotSupported, OutOfReach, Refused


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), USAGE),
        (NotSupported("x"), USAGE),
        (OutOfReach("x"), USAGE),
        (DataInvalid("a recording has no scenario"), USAGE),
        (CalibrationUnknown("the beam current is not known"), REFUSED),
        (Refused("x"), REFUSED),
        (HardwareFault("x"), FAILED),
        (AgentError("x"), FAILED),
        (JournalFull("x"), FAILED),
        (JournalDamaged("x"), FAILED),
        (ZeroDivisionError("x"), FAILED),
    ],
)
def test_exit_code(error, code):
    assert code_of(error) == code
