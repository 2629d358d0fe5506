"""What the campaign itself costs at every step: all but agent and instrument."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import Measured, figure
from experiments.campaign.watch import Nobody

STEPS = 1000
REPEATS = 200
LIMIT_P50_MS, LIMIT_P99_MS = 3.0, 15.0


class Timed:
    """Passes everything on and adds up the time that the inner object's methods take."""

    def __init__(self, inner: Any, methods: tuple[str, ...]) -> None:
        self._inner, self._methods = inner, methods
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._timed(found) if name in self._methods else found

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - began

        return call


class Marks(Nobody):
    """A watch that notes when each step is done, and what agent and instrument had taken until then."""

    def __init__(self, timed: list[Timed]) -> None:
        self._timed = timed
        self.at: list[tuple[float, float]] = []

    def step(self, tally: Any, spent: Any) -> None:
        self.at.append((time.perf_counter(), sum(t.seconds for t in self._timed)))

    def overhead_ms(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Milliseconds of every step that were neither the agent's nor the instrument's."""
        wall, others = (np.diff([mark[i] for mark in self.at]) for i in (0, 1))
        return np.asarray(1e3 * (wall - others))


@figure("loop.overhead_ms", "ms")
def loop_overhead() -> Measured:
    """Median time of a campaign's step that is neither the agent's nor the instrument's."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        overhead = _campaign(folder)
        fsync_ms = _fsync_ms(folder)
        log_metrics_ms = _log_metrics_ms(folder)
    p50, p99 = (float(v) for v in np.percentile(overhead, [50, 99]))
    return Measured(
        value=p50,
        reference=log_metrics_ms,
        compared="median overhead of a step, MLflow told by the side process, against one bare mlflow.log_metrics call",
        limit=LIMIT_P50_MS,
        details={
            "p99_ms": p99,
            "p99_limit_ms": LIMIT_P99_MS,
            "p99_within": p99 <= LIMIT_P99_MS,
            "fsync_ms_p50": fsync_ms,
            "mlflow_log_metrics_ms_p50": log_metrics_ms,
            "steps": STEPS,
            "commits_a_step": 2,
        },
    )


def _campaign(folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    from experiments.campaign.running import run
    from experiments.config import Parts, build, compose

    settings = compose(["agent=sobol", "report=false", f"budget.steps={STEPS}", f"runs={folder / 'runs'}"], [])
    parts = build(settings)
    instrument = Timed(parts.instrument, ("price", "acquire", "snapshot", "lookup"))
    agent = Timed(parts.agent, ("act", "tell", "state", "predict"))
    marks = Marks([instrument, agent])
    run(settings, watch=marks, parts=Parts(instrument, parts.task, agent))
    return marks.overhead_ms()


def _fsync_ms(folder: Path) -> float:
    descriptor = os.open(folder / "fsync", os.O_CREAT | os.O_WRONLY)
    took = []
    try:
        for _ in range(REPEATS):
            os.write(descriptor, bytes(4096))
            began = time.perf_counter()
            os.fsync(descriptor)
            took.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
    return float(1e3 * np.median(took))


def _log_metrics_ms(folder: Path) -> float:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{(folder / 'bare.db').absolute()}")
    took = []
    with mlflow.start_run():
        for step in range(50):
            began = time.perf_counter()
            mlflow.log_metrics({"value": 1.0, "best_value": 2.0, "seconds": 3.0}, step=step)
            took.append(time.perf_counter() - began)
    return float(1e3 * np.median(took))
