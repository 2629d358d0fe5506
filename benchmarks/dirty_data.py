"""On recorded loops of which a third are failed fits: does a failed fit ever end among the five best?"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.registry import Measured, figure

SEEDS = 20
FAILED_ABOVE = 1e-3
"""max|PR| of a failed fit, as the data's own description says; known to this check only, never to the campaign."""


@figure("beps.clean_seeds", "seeds")
def clean_seeds() -> Measured:
    """Of 20 seeds on beps_pto, those whose five best points hold no failed fit."""
    from experiments.campaign.running import run
    from experiments.config import build, compose

    spoilt: dict[int, list[int]] = {}
    rejected = []
    for seed in range(SEEDS):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as runs:
            overrides = ["campaign=beps_pto", "tracking=off", "report=false", f"seed={seed}", f"runs={runs}"]
            settings = compose(overrides, [])
            parts = build(settings)
            curves = np.asarray(parts.instrument.truth()["values"])  # type: ignore[attr-defined]
            largest = np.abs(curves.reshape(-1, curves.shape[-1])).max(-1)
            summary = json.loads((run(settings, parts=parts).folder / "summary.json").read_text())
        found = [entry["candidate"] for entry in summary["top"] if largest[entry["candidate"]] > FAILED_ABOVE]
        rejected.append(summary["rejected"])
        if found or len(summary["top"]) < 5:
            spoilt[seed] = found
    return Measured(
        value=float(SEEDS - len(spoilt)),
        reference=float(SEEDS),
        compared="seeds of beps_pto whose five best points hold no failed fit (max|PR| > 1e-3), of all seeds",
        limit=19.0,
        limit_is_least=True,
        details={
            "spoilt": {str(seed): candidates for seed, candidates in spoilt.items()},
            "share_of_failed_fits_in_the_data": float((largest > FAILED_ABOVE).mean()),
            "rejected_measurements_a_campaign": float(np.mean(rejected)),
            "steps": summary["steps"],
        },
    )
