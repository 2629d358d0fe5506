"""From YAML and overrides to checked settings, and from settings to what they name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.config.checking import Checker
from experiments.config.errors import ConfigError
from experiments.config.overrides import KEYS, prepared, replaced
from experiments.config.settings import CampaignSettings
from experiments.config.signatures import TARGET, constructor
from experiments.config.sources import CAMPAIGN_GROUPS, conf_dir, groups, make_importable, user_dirs

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from omegaconf import DictConfig

    from agents.protocol import Agent
    from environments.task import Task
    from instruments.seam import Instrument

COMPONENTS = ("instrument", "task", "agent")


@dataclass(frozen=True)
class Parts:
    """What a campaign is made of, built."""

    instrument: Instrument
    task: Task[Any]
    agent: Agent


def compose(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> CampaignSettings:
    """The settings that `conf/`, the users' folders and the overrides give; raises ConfigError."""
    return from_plain(compose_plain(overrides, config_dirs))


def compose_plain(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> dict[str, Any]:
    """The same as plain values, interpolations resolved, not yet held against any type."""
    return resolved(compose_config(overrides, config_dirs))


@dataclass(frozen=True)
class Root:
    """A file of `conf/` that composition begins with, and the groups and keys that overrides may then name."""

    file: str
    groups: Collection[str]
    keys: Collection[str]


CAMPAIGN = Root("config", CAMPAIGN_GROUPS, KEYS)


def compose_config(overrides: Sequence[str], config_dirs: Sequence[Path] = (), root: Root = CAMPAIGN) -> DictConfig:
    """What Hydra composes, interpolations not yet resolved."""
    import hydra

    folders = user_dirs(config_dirs)
    make_importable(folders)
    texts = prepared(overrides, groups(folders, root.groups), keys=root.keys)
    if folders:
        texts.append(f"hydra.searchpath=[{','.join(_quoted(f'file://{folder}') for folder in folders)}]")
    with _one_line(), hydra.initialize_config_dir(str(conf_dir()), job_name="probewright", version_base="1.3"):
        return hydra.compose(root.file, texts)  # type: ignore[no-any-return]


def resolved(config: DictConfig) -> dict[str, Any]:
    """A composed DictConfig as plain values; raises ConfigError on an interpolation that leads nowhere."""
    from omegaconf import OmegaConf

    with _one_line():
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    plain.pop("hydra", None)
    return {str(name): replaced(value) for name, value in plain.items()}


def from_plain(plain: Mapping[str, Any]) -> CampaignSettings:
    """Settings from plain values (a composed configuration, or the one in a journal); raises ConfigError."""
    settings: CampaignSettings = Checker().dataclass(plain, CampaignSettings, "")
    for name in COMPONENTS:
        if TARGET not in getattr(settings, name):
            raise ConfigError(f"{name} names no class: choose one with {name}=NAME, or give {name}.{TARGET}")
    if not re.fullmatch(r"[\w.-]+", settings.name):
        raise ConfigError(f"name={settings.name!r} names the run folder: use letters, digits, '_', '-' and '.' only")
    budget = settings.budget
    if budget.steps is None and budget.seconds is None and budget.electrons is None:
        raise ConfigError("the budget is empty: set at least one of budget.steps, budget.seconds, budget.electrons")
    return settings


def to_plain(settings: DataclassInstance) -> dict[str, Any]:
    """The inverse of `from_plain`: nested dicts, lists, numbers and text, for the journal and config.yaml."""
    plain: dict[str, Any] = _plain(settings)
    return plain


def build(settings: CampaignSettings) -> Parts:
    """The instrument, the task and the agent; raises ConfigError where one cannot be made."""
    from agents.protocol import Agent
    from instruments.seam import Instrument

    builder = Checker(make)
    instrument, task, agent = (builder.component(getattr(settings, name), name) for name in COMPONENTS)
    for name, part, kind in (("instrument", instrument, Instrument), ("agent", agent, Agent)):
        if not isinstance(part, kind):
            raise ConfigError(f"{name}.{TARGET}={getattr(settings, name)[TARGET]!r} is not an {kind.__name__}")
    return Parts(instrument, task, agent)


def make(target: str, arguments: Mapping[str, Any], where: str) -> Any:
    """A component, built; raises ConfigError with what its class said."""
    made_by = constructor(target, where)
    try:
        return made_by(**arguments)
    except Exception as error:
        cause = error.__cause__ or error
        raise ConfigError(f"{where} ({target}) cannot be built: {_said(cause)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _said(error: BaseException) -> str:
    from agents.protocol import AgentError
    from instruments.errors import InstrumentError

    text, speaks = str(error).strip(), isinstance(error, ValueError | OSError | AgentError | InstrumentError)
    return text if text and speaks else f"{type(error).__name__}: {text}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class _one_line:
    """Turns what Hydra, OmegaConf and the YAML reader raise into a ConfigError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError

        if isinstance(error, OmegaConfBaseException):
            raise ConfigError(f"{error.full_key}: {_first_line(error)}") from error
        if isinstance(error, (HydraException, YAMLError, ValueError)):
            cause = error.__cause__
            more = f" ({_first_line(cause)})" if isinstance(cause, OmegaConfBaseException) else ""
            raise ConfigError(f"the configuration cannot be composed: {error}{more}") from error
