"""`summary.json`: what a campaign found and spent, in documented keys (docs/summary.md)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from experiments.campaign.ended import Ended
from experiments.campaign.loop import Loop
from experiments.campaign.provenance import versions

SCHEMA_VERSION = 1


def summarise(loop: Loop, ended: Ended, folder: Path, decide_s: list[float]) -> dict[str, Any]:
    """The content of summary.json."""
    tally, spent = loop.tally, loop.commander.spent
    best = tally.best()
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign_id": loop.campaign_id,
        "name": loop.settings.name,
        "status": ended.status,
        "ended_by": ended.ended_by,
        "message": ended.message,
        "seed": loop.settings.seed,
        "steps": tally.steps,
        "seconds": spent.seconds,
        "electrons": spent.electrons,
        "peak_fluence_e_A2": loop.commander.account.peak_fluence_e_A2,
        "value_name": loop.value_name,
        "value_unit": loop.value_unit,
        "best": None if best is None else tally.entry(best),
        "top": tally.top(),
        "failed": tally.failed,
        "rejected": tally.rejected,
        "decide_ms": _quantiles_ms(decide_s),
        "answers": _answers(loop),
        "resumed": loop.past.resumed,
        "folder": str(folder),
        "versions": versions(),
    }


def _answers(loop: Loop) -> dict[str, int] | None:
    """How often people gave each answer, and how often the time ran out; None where nobody was asked."""
    if loop.people is None:
        return None
    given = [a for a in loop.people.known.answers.values() if a.taken]
    counts = Counter("timeout" if answer.by == "timeout" else answer.verb for answer in given)
    return {name: counts[name] for name in ("approve", "veto", "measure", "timeout")}


def _quantiles_ms(seconds: list[float]) -> dict[str, float | None]:
    if not seconds:
        return {"p50": None, "p99": None}
    p50, p99 = np.percentile(1e3 * np.array(seconds), [50, 99])
    return {"p50": float(p50), "p99": float(p99)}
