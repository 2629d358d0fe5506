"""What a campaign is made of, checked and with units; the YAML in `conf/` composes exactly this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from instruments.guard import Limits
from physics_priors.bounds import Bounds

Node = Mapping[str, Any]
"""A component as plain values: `_target_` names its class, the rest are constructor arguments."""


@dataclass(frozen=True)
class Budget:
    """What a campaign may spend; whichever is used up first ends it. None means unlimited, but one must be set.

    steps counts decisions; seconds is the instrument's time (as priced and measured), not the computer's.
    """

    steps: Annotated[int, Bounds("steps", 1, 1_000_000)] | None = 60
    seconds: Annotated[float, Bounds("s", 0.0, open_low=True)] | None = None
    electrons: Annotated[float, Bounds("electrons", 0.0, open_low=True)] | None = None


@dataclass(frozen=True)
class Tracking:
    """Where MLflow is told: `uri` None is an embedded SQLite database in the runs folder."""

    enabled: bool = True
    uri: str | None = None
    experiment: str = "probewright"
    finish_s: Annotated[float, Bounds("s", 0.0, 3600.0)] = 60.0
    """How long a finished campaign waits for its last records to be projected; `sync` does the rest."""


@dataclass(frozen=True)
class Housekeeping:
    """What is done between decisions, when due; None means never."""

    register_every_s: Annotated[float, Bounds("s", 0.0, open_low=True)] | None = None
    """Instrument time between two re-registrations of the sample frame against the survey image."""


@dataclass(frozen=True)
class HumanInTheLoop:
    """Whether people are asked, and what happens where nobody answers."""

    mode: Literal["off", "approve"] = "off"
    """approve: every decision waits for a person, who may approve it, veto it, or measure something else."""
    timeout_s: Annotated[float, Bounds("s", 0.0, 1e6)] | None = None
    """How long an answer is waited for, anew after a resume; None is for ever."""
    on_timeout: Literal["stop", "approve"] = "stop"
    """stop: end as interrupted, and ask again on resume; approve: carry the agent's proposal out."""


@dataclass(frozen=True)
class CampaignSettings:
    """A complete campaign."""

    name: str
    instrument: Node
    task: Node
    agent: Node
    scenario: Mapping[str, Any] = field(default_factory=dict)
    seed: Annotated[int, Bounds("", 0, 2**31 - 1)] = 0
    sample: str = ""
    """Name of the sample and area: named, its account outlives the campaign; empty, it begins fresh."""
    runs: Path = Path("runs")
    budget: Budget = field(default_factory=Budget)
    guard: Limits = field(default_factory=Limits)
    housekeeping: Housekeeping = field(default_factory=Housekeeping)
    hitl: HumanInTheLoop = field(default_factory=HumanInTheLoop)
    tracking: Tracking = field(default_factory=Tracking)
    on_ambiguous: Literal["ask", "repeat", "skip"] = "ask"
    """What to do with a command whose fate the instrument cannot tell, where dose is at stake."""
    report: bool = True
    """Whether report.html is written at the end; `probewright report` writes it later."""
    checkpoint_every: Annotated[int, Bounds("steps", 1, 10_000)] = 25
    deadline_s: Annotated[float, Bounds("s", 0.0, open_low=True)] | None = None
    """Longest time for a decision, handed to the agent."""
