"""A suite: which policies on which tasks, under which scenarios, how often; composed from `conf/suite/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from physics_priors.bounds import POSITIVE_S, Bounds

ORACLE = "oracle"
"""Name of the reference policy that is given truth; every suite has it, and it is marked wherever it stands."""


@dataclass(frozen=True)
class Entry:
    """A task of a suite: a campaign of `conf/campaign/`, its scenarios, and overrides for all its cells.

    An optional one is left out, and that is said, where the data or the reader that it needs are not there.
    """

    campaign: str
    scenarios: Sequence[str] = ("matched",)
    overrides: Sequence[str] = ()
    optional: bool = False


@dataclass(frozen=True)
class Suite:
    """Policies by name, each a list of overrides (say `[agent=sobol]`); `baseline` is one of them.

    A cell is one campaign of `steps` decisions; one that takes longer than `timeout_s` of computer time is ended and
    says so. `target` is the regret at which time to target is taken.
    """

    name: str
    policies: Mapping[str, Sequence[str]]
    tasks: Mapping[str, Entry]
    baseline: str = "random"
    tier: Literal["smoke", "standard", "full"] = "standard"
    seeds: Annotated[int, Bounds("seeds", 1, 10_000)] = 20
    first_seed: Annotated[int, Bounds("", 0, 2**30)] = 0
    steps: Annotated[int, Bounds("steps", 1, 100_000)] | None = None
    timeout_s: Annotated[float, POSITIVE_S] = 600.0
    deadline_s: Annotated[float, POSITIVE_S] | None = None
    target: Annotated[float, Bounds("", 0.0, 1.0)] = 0.05
    notes: Mapping[str, str] = field(default_factory=dict)
