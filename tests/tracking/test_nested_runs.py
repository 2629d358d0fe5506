"""A sweep is one parent run, whose status is that of its children."""

from __future__ import annotations

import pytest

from experiments.config.settings import Tracking
from experiments.tracking.projector import Projector


def project(campaign, store, *, live=False):
    projector = Projector(campaign.folder, store.uri, Tracking.experiment, store=store)
    projector.catch_up(live=live)
    return store.client.get_run(projector.state.run_id)


def parent_of(store):
    (parent,) = store.search("tags.`probewright.kind` = 'sweep'")
    return parent


def test_children_are_nested_in_one_parent(recorded, store):
    first = project(recorded("a", sweep_id="s1").steps(1).end(), store)
    second = project(recorded("b", sweep_id="s1").steps(1).end(), store)
    alone = project(recorded("c").steps(1).end(), store)
    parent = parent_of(store)
    nested = [run.data.tags.get("mlflow.parentRunId") for run in (first, second, alone)]
    assert nested == [parent.info.run_id, parent.info.run_id, None]
    assert parent.info.status == "FINISHED"


def test_two_sweeps_have_two_parents(recorded, store):
    project(recorded("a", sweep_id="s1").end(), store)
    project(recorded("b", sweep_id="s2").end(), store)
    assert len(store.search("tags.`probewright.kind` = 'sweep'")) == 2


def test_the_parent_runs_while_a_child_does(recorded, store):
    slow = recorded("slow", sweep_id="s1").steps(1)
    project(slow, store, live=True)
    assert parent_of(store).info.status == "RUNNING"
    project(recorded("fast", sweep_id="s1").end(), store)
    assert parent_of(store).info.status == "RUNNING"
    project(slow.end(), store)
    assert parent_of(store).info.status == "FINISHED"
    project(slow.resume(), store, live=True)
    assert parent_of(store).info.status == "RUNNING"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("finished", "failed", "interrupted"), "FAILED"),
        (("interrupted", "finished"), "KILLED"),
        (("finished", "finished"), "FINISHED"),
    ],
)
def test_the_parent_says_the_worst(recorded, store, statuses, expected):
    for number, status in enumerate(statuses):
        project(recorded(f"c{number}", sweep_id="s1").end(status), store)
    assert parent_of(store).info.status == expected
