"""Configuration: YAML composed by Hydra, checked against frozen dataclasses before anything is built.

`compose` gives `CampaignSettings` from overrides, `from_plain` from a journal, `build` makes the instrument, the
task and the agent. Whatever is wrong is a ConfigError of one line. `python -m experiments.config` lists all keys.
"""

from experiments.config.composing import Parts, build, compose, from_plain, to_plain
from experiments.config.errors import ConfigError
from experiments.config.settings import Budget, CampaignSettings, Housekeeping, Tracking

__all__ = [
    "Budget",
    "CampaignSettings",
    "ConfigError",
    "Housekeeping",
    "Parts",
    "Tracking",
    "build",
    "compose",
    "from_plain",
    "to_plain",
]
