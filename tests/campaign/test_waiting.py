"""What a person is told while the first step is long in coming."""

import time
from pathlib import Path

import pytest

from experiments.campaign import watch
from experiments.campaign.ended import Result
from experiments.config import compose


@pytest.mark.parametrize(("instrument", "told"), [("ferroelectric_film", True), ("remote", False)])
def test_a_first_step_that_is_long_in_coming_is_explained(
    instrument: str, told: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "_FIRST_STEP_S", 0.05)
    terminal = watch.Terminal()
    settings = compose([f"instrument={instrument}"])
    terminal.begin(settings, Path("folder"))
    time.sleep(0.3)
    assert ("kernels are compiled" in capsys.readouterr().err) == told


def test_nothing_is_explained_once_the_campaign_has_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "_FIRST_STEP_S", 0.2)
    terminal = watch.Terminal()
    terminal.begin(compose([]), Path("folder"))
    terminal.end(Result.__new__(Result))
    time.sleep(0.4)
    assert "kernels" not in capsys.readouterr().err
