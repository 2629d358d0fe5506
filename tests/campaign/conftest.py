"""Campaigns on the twins, without MLflow and report, in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.campaign.journal import Event, open_reader
from experiments.config import compose
from experiments.config.settings import CampaignSettings

Settings = Callable[..., CampaignSettings]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings from overrides, of a short campaign of the Sobol agent on the film."""

    def make(*overrides: str) -> CampaignSettings:
        quiet = ["agent=sobol", "tracking=off", "report=false", "budget.steps=6", f"runs={tmp_path / 'runs'}"]
        return compose([*quiet, *overrides], [])

    return make


@pytest.fixture
def events() -> Callable[..., list[Event]]:
    """The events of a run folder, of the given kinds."""

    def read(folder: Path, *kinds: str) -> list[Event]:
        with open_reader(folder / "journal.sqlite") as reader:
            return list(reader.events(kinds=kinds or None))

    return read
