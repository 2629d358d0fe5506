"""MLflow runs: exactly one for a campaign and one for a sweep, whoever asks, however often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.tracking.store import Store

CAMPAIGN = "probewright.campaign_id"
SWEEP = "probewright.sweep_id"
KIND = "probewright.kind"
PARENT = "mlflow.parentRunId"


def campaign_run(store: Store, campaign_id: str, name: str, start_ms: int, tags: Mapping[str, str]) -> tuple[Any, bool]:
    """The run of a campaign, and whether it is new; nested in the sweep's run where there is one."""
    sweep = tags.get(SWEEP, "")
    with store.lock:
        nested = {PARENT: sweep_run(store, sweep, start_ms).info.run_id} if sweep else {}
        condition = f"tags.`{CAMPAIGN}` = '{campaign_id}'"
        own = {**tags, CAMPAIGN: campaign_id, KIND: "campaign", **nested}
        return find_or_create(store, condition, name, start_ms, own)


def sweep_run(store: Store, sweep_id: str, start_ms: int) -> Any:
    """The parent of a sweep's runs; to be asked for under the store's lock."""
    condition = f"tags.`{SWEEP}` = '{sweep_id}' and tags.`{KIND}` = 'sweep'"
    tags = {SWEEP: sweep_id, KIND: "sweep"}
    return find_or_create(store, condition, f"sweep {sweep_id}", start_ms, tags)[0]


def settle_parent(store: Store, parent_id: str, end_ms: int) -> None:
    """Give a sweep's run the status its children imply: running while one runs, else the worst of them."""
    with store.lock:
        for status in ("RUNNING", "FAILED", "KILLED"):
            condition = f"tags.`{PARENT}` = '{parent_id}' and attributes.status = '{status}'"
            if store.search(condition, limit=1):
                break
        else:
            status = "FINISHED"
        tell(store, parent_id, status, end_ms)


def tell(store: Store, run_id: str, status: str, end_ms: int) -> None:
    """Set a run's status; its end [ms since 1970] too where it has ended."""
    if status == "RUNNING":
        store.client.update_run(run_id, status=status)
    else:
        store.client.set_terminated(run_id, status=status, end_time=end_ms)


def find_or_create(store: Store, condition: str, name: str, start_ms: int, tags: Mapping[str, str]) -> tuple[Any, bool]:
    """The run that fulfils a condition, and whether it is new; to be asked for under the store's lock."""
    found = store.search(condition)
    new = not found
    if new:
        store.client.create_run(store.experiment_id, start_time=start_ms, tags=dict(tags), run_name=name)
        found = store.search(condition)
    # A second one exists only where the lock does not reach: two machines, or a request that timed out and was
    # carried out later. All who look keep the same one.
    kept, *others = sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))
    for run in others:
        store.client.delete_run(run.info.run_id)
    return kept, new
