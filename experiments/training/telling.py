"""MLflow is told of a training: settings, the curve, and the policy as a version in the model registry."""

from __future__ import annotations

import math
import time
from typing import Any

from experiments.config.composing import to_plain
from experiments.tracking import address, runs
from experiments.tracking.projector import METRICS_PER_BATCH, PARAMETERS_PER_BATCH
from experiments.tracking.retry import one_line
from experiments.tracking.rows import clean, flatten
from experiments.tracking.store import Store, connect
from experiments.training import folder as places
from experiments.training.session import Trained
from experiments.training.settings import TrainSettings

_TAG = "probewright.training"


def tell(settings: TrainSettings, trained: Trained) -> str:
    """Tell MLflow; returns a line for the user, also where that did not work: the training itself stands."""
    place = settings.runs.absolute() / settings.name
    uri = address.resolve(settings.tracking, place)
    try:
        version = _told(settings, trained, connect(uri, settings.tracking.experiment, place))
    except Exception as error:  # MLflow's, requests', sqlalchemy's
        return f"MLflow was not told ({one_line(error)}); the policy is in {trained.folder / 'policy.npz'}"
    return f"MLflow: {address.ui_command(uri)}\npolicy  models:/{_name(settings)}/{version}"


def _told(settings: TrainSettings, trained: Trained, store: Store) -> str:
    own = {_TAG: trained.folder.name, runs.KIND: "training"}
    condition = f"tags.`{_TAG}` = '{trained.folder.name}'"
    with store.lock:
        run = runs.find_or_create(store, condition, trained.folder.name, _now_ms(), own)[0]
        run_id = str(run.info.run_id)
        if run.info.status != "FINISHED":
            _send(settings, trained, store, run_id)
        version = _registered(settings, store, run_id)
        runs.tell(store, run_id, "FINISHED", _now_ms())
    return version


def _send(settings: TrainSettings, trained: Trained, store: Store, run_id: str) -> None:
    """Settings, curve and files; what arrived before is not sent again."""
    from mlflow.entities import Param

    known = store.client.get_run(run_id).data.params
    parameters = [Param(name, text) for name, text in flatten(to_plain(settings)).items() if name not in known]
    for first in range(0, len(parameters), PARAMETERS_PER_BATCH):
        store.client.log_batch(run_id, params=parameters[first : first + PARAMETERS_PER_BATCH])
    metrics = _metrics(trained, store, run_id)
    for first in range(0, len(metrics), METRICS_PER_BATCH):
        store.client.log_batch(run_id, metrics=metrics[first : first + METRICS_PER_BATCH])
    for name in ("policy.npz", "curve.png", "config.yaml", "summary.json", "progress.csv"):
        if (trained.folder / name).is_file():
            store.client.log_artifact(run_id, str(trained.folder / name), "policy" if name == "policy.npz" else None)


def _metrics(trained: Trained, store: Store, run_id: str) -> list[Any]:
    """What of the curve has not arrived yet."""
    from mlflow.entities import Metric

    rows = places.rows(trained.folder)
    names = sorted({name for row in rows for name in row} - {"steps"})
    arrived = {name: {m.step for m in store.client.get_metric_history(run_id, clean(name))} for name in names}
    return [
        Metric(clean(name), value, _now_ms(), int(row["steps"]))
        for row in rows
        for name, value in row.items()
        if name != "steps" and math.isfinite(value) and int(row["steps"]) not in arrived[name]
    ]


def _registered(settings: TrainSettings, store: Store, run_id: str) -> str:
    """The version that was made of the run, now or before."""
    from mlflow.exceptions import MlflowException

    name = _name(settings)
    for known in store.client.search_model_versions(f"run_id='{run_id}'"):
        if known.name == name:
            return str(known.version)
    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if "already exists" not in str(error):
            raise
    source = f"{store.client.get_run(run_id).info.artifact_uri}/policy"
    made: Any = store.client.create_model_version(name, source, run_id)
    return str(made.version)


def _name(settings: TrainSettings) -> str:
    return settings.register_as or settings.name


def _now_ms() -> int:
    return round(time.time() * 1000)
