"""MLflow is told of a training: settings, the curve, and the policy as a version in the model registry."""

from __future__ import annotations

import math
import time
from typing import Any

from experiments.config.composing import to_plain
from experiments.tracking import address, runs
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
    from mlflow.entities import Metric, Param

    own = {_TAG: trained.folder.name, runs.KIND: "training"}
    condition = f"tags.`{_TAG}` = '{trained.folder.name}'"
    with store.lock:
        run = runs.find_or_create(store, condition, trained.folder.name, _now_ms(), own)[0]
    run_id = str(run.info.run_id)
    parameters = [Param(name, text) for name, text in flatten(to_plain(settings)).items()]
    metrics = [
        Metric(clean(name), value, _now_ms(), int(row["steps"]))
        for row in places.rows(trained.folder)
        for name, value in row.items()
        if name != "steps" and math.isfinite(value)
    ]
    store.client.log_batch(run_id, metrics=metrics[:1000], params=parameters[:100])
    for name in ("policy.npz", "curve.png", "config.yaml", "summary.json", "progress.csv"):
        if (trained.folder / name).is_file():
            store.client.log_artifact(run_id, str(trained.folder / name), "policy" if name == "policy.npz" else None)
    runs.tell(store, run_id, "FINISHED", _now_ms())
    return _registered(settings, store, run_id)


def _registered(settings: TrainSettings, store: Store, run_id: str) -> str:
    from mlflow.exceptions import MlflowException

    name = _name(settings)
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
