"""Every YAML file in conf/ composes, passes the checks and builds; the files are the registry."""

from pathlib import Path

import pytest
import yaml

from agents.protocol import Agent
from experiments.config import ConfigError, build, compose
from experiments.config.composing import COMPONENTS
from experiments.config.sources import groups
from instruments.errors import InstrumentError
from instruments.seam import Instrument

OPTIONS = [(group, option) for group, options in groups().items() for option in options]
CAMPAIGNS = groups()["campaign"]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What YAML may ask of the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")


def skip_without_data(error: Exception) -> None:
    """Recorded data and its readers are not part of a checkout; any other trouble is a failure."""
    cause = error.__cause__
    absent = isinstance(cause, FileNotFoundError | ModuleNotFoundError)
    named = isinstance(cause, InstrumentError) and ("PROBEWRIGHT_DATA" in str(cause) or "io-" in str(cause))
    if absent or named:
        pytest.skip(f"no recorded data, or no reader: {cause}")


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_passes_the_checks(group: str, option: str) -> None:
    settings = compose([f"{group}={option}"])
    assert settings.name
    assert all("_target_" in getattr(settings, name) for name in COMPONENTS)


@pytest.mark.parametrize(("group", "option"), [pair for pair in OPTIONS if pair[0] in (*COMPONENTS, "campaign")])
def test_every_component_builds(group: str, option: str) -> None:
    try:
        parts = build(compose([f"{group}={option}"]))
    except ConfigError as error:
        skip_without_data(error)
        raise
    assert isinstance(parts.instrument, Instrument)
    assert isinstance(parts.agent, Agent)
    assert parts.task.name
    parts.instrument.close()


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_the_parts_of_a_campaign_fit_together(campaign: str) -> None:
    try:
        parts = build(compose([f"campaign={campaign}"]))
    except ConfigError as error:
        skip_without_data(error)
        raise
    parts.task.check(parts.instrument.describe())
    parts.instrument.close()


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_a_campaign_is_named_after_its_file(campaign: str) -> None:
    assert compose([f"campaign={campaign}"]).name == campaign


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_a_campaign_takes_any_agent_and_budget(campaign: str) -> None:
    settings = compose([f"campaign={campaign}", "agent=sobol", "budget=short"])
    assert settings.agent == {"_target_": "agents.baselines.sobol.Sobol"}
    assert settings.budget.steps == 10


def test_campaigns_choose_components_and_set_nothing_inside_them(checkout: Path) -> None:
    for campaign in CAMPAIGNS:
        plain = yaml.safe_load((checkout / "conf" / "campaign" / f"{campaign}.yaml").read_text())
        inside = {"instrument", "task", "agent", "scenario", "tracking"} & set(plain)
        assert not inside, (
            f"{campaign} sets {inside}: it would stay when another option is chosen; make an option of it"
        )


def test_a_choice_on_the_command_line_beats_the_campaign() -> None:
    assert compose(["campaign=loop_discovery", "agent=sobol"]).agent["_target_"].endswith(".Sobol")
    assert compose(["agent=sobol", "campaign=loop_discovery"]).agent["_target_"].endswith(".Sobol")


def test_every_file_says_what_it_is(checkout: Path) -> None:
    for group, option in OPTIONS:
        opening = (checkout / "conf" / group / f"{option}.yaml").read_text().splitlines()
        assert any(line.startswith("# ") and not line.startswith("# @") for line in opening[:2]), f"{group}/{option}"


def test_the_reference_is_up_to_date(checkout: Path) -> None:
    from experiments.config.reference import document

    written = (checkout / "docs" / "configuration.md").read_text()
    assert written == document(), "run: python -m experiments.config > docs/configuration.md"
