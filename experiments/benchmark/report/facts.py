"""What the report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from experiments.benchmark.claims import Claim
from experiments.benchmark.engine import Finished
from experiments.benchmark.scores import Scores
from experiments.benchmark.tables import Table


@dataclass(frozen=True)
class Facts:
    """All that the report says of a suite; `left_out` are tasks and why, `command` what was typed."""

    finished: Finished
    scores: Scores
    tables: Sequence[Table]
    claims: Sequence[Claim]
    left_out: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
