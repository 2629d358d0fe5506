"""A campaign of two numbers: journalled, the same again, and the same when it was interrupted."""

from __future__ import annotations

import numpy as np

from experiments.campaign import resume, run

BOTH = (
    "agent=pareto_gaussian_process",
    "task.also={_target_: environments.scalarisers.CoerciveVoltage}",
    "budget.steps=8",
)


def both_of(events, folder):
    return [(e.payload["value"], e.payload["also"]) for e in events(folder, "outcome")]


def test_both_numbers_are_journalled_and_decisions_show_them(settings, events):
    result = run(settings(*BOTH))
    assert result.status == "finished"
    assert np.isfinite(both_of(events, result.folder)).all()
    brief = events(result.folder, "brief")[0].payload
    assert brief["also_name"] == "coercive voltage"
    last = events(result.folder, "decision")[-1].payload
    assert {"also_mean", "hypervolume"} <= last["figures"].keys()
    assert "coercive voltage" in last["reason"]
    front = events(result.folder, "belief")[-1].payload
    assert len(front["front"]) == len(front["also"]) >= 1


def test_resumed_it_goes_on_as_if_nothing_had_been(settings, events):
    whole = run(settings(*BOTH))

    results = []

    def stop_after_six(name: str) -> None:
        results.extend([name] if name == "after result" else [])
        if len(results) == 7:  # the survey, and six curves
            (folder,) = [f for f in settings().runs.iterdir() if f != whole.folder]
            (folder / "stop").touch()

    stopped = run(settings(*BOTH), boundary=stop_after_six)
    assert stopped.status == "interrupted"
    again = resume(stopped.folder)
    assert again.status == "finished"
    assert both_of(events, again.folder) == both_of(events, whole.folder)


def test_a_campaign_of_one_number_journals_no_second(settings, events):
    result = run(settings())
    assert all("also" not in e.payload for e in events(result.folder, "outcome"))
