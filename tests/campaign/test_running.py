"""A campaign from its opening to its end: budgets, refusals, failures, stops, and what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.trajectories import final_state, trajectory
from experiments.campaign import plan, resume, run, status
from experiments.campaign.journal import JournalDamaged, JournalHeld, is_held, open_reader
from experiments.config import build
from instruments.cost import Cost
from instruments.errors import CalibrationUnknown, HardwareFault, NotSupported, OutOfReach


def test_it_ends_with_its_steps_and_says_so(settings, events):
    result = run(settings())
    assert (result.status, result.ended_by, result.exit_code) == ("finished", "steps", 0)
    assert [e.step for e in events(result.folder, "outcome")] == [1, 2, 3, 4, 5, 6]
    summary = json.loads((result.folder / "summary.json").read_text())
    assert summary["steps"] == 6
    assert summary["best"] == summary["top"][0]
    outcomes = events(result.folder, "outcome")
    standing = [e.payload["value"] for e, ok in zip(outcomes, outcomes[-1].payload["accepted"], strict=True) if ok]
    assert summary["best"]["value"] == max(standing)
    assert summary["seconds"] == outcomes[-1].payload["seconds"]
    assert not is_held(result.folder / "journal.sqlite")


def test_two_runs_of_a_seed_are_the_same_and_of_another_are_not(settings):
    first, second, other = (run(settings(f"seed={seed}")).folder for seed in (3, 3, 4))
    assert trajectory(first) == trajectory(second)
    assert final_state(first) == final_state(second)
    assert trajectory(first) != trajectory(other)


def test_seconds_end_it_before_they_are_exceeded(settings, events):
    result = run(settings("budget.steps=null", "budget.seconds=20"))
    assert (result.status, result.ended_by) == ("finished", "seconds")
    spent = events(result.folder, "outcome")[-1].payload["seconds"]
    assert 15 < spent <= 20
    assert "s" in result.message


def test_a_budget_too_small_for_the_survey_measures_nothing(settings, events):
    result = run(settings("budget.steps=null", "budget.seconds=0.5"))
    assert (result.status, result.ended_by) == ("finished", "seconds")
    assert events(result.folder, "command", "result", "decision") == []


def test_a_refused_survey_ends_it(settings):
    result = run(settings("guard.seconds=1"))
    assert (result.status, result.ended_by, result.exit_code) == ("refused", "guard", 3)
    assert "seconds" in result.message


def test_a_guard_that_refuses_every_action_ends_it(settings, events):
    result = run(settings("guard.bias_V=1", "budget.steps=50"))
    assert (result.status, result.exit_code) == ("refused", 3)
    assert len(events(result.folder, "refused")) == 10
    assert len(events(result.folder, "result")) == 1  # the survey


def test_an_image_over_an_excluded_zone_is_refused(settings, events):
    result = run(settings("guard.exclude=[{center_nm: [100.0, 50.0], radius_nm: 5}]"))
    assert (result.status, result.exit_code) == ("refused", 3)
    assert "zone" in result.message
    assert events(result.folder, "command") == []


def test_dose_limits_on_an_unknown_current_are_refused_before_anything(settings, tmp_path):
    spec = tmp_path / "spectra.npy"
    np.save(spec, np.random.default_rng(0).random((4, 5, 12)))
    overrides = [
        "instrument=replay",
        f"instrument.core.path={spec}",
        "instrument.core.family=STEM",
        "+instrument.core.unit_nm=1.0",
        "+instrument.core.axis_name=energy",
        "+instrument.core.axis_unit=eV",
        "task.sweep={_target_: environments.sweeps.Spectrum, axis_unit: eV}",
        "task.scalariser={_target_: environments.scalarisers.Slope, low: 0, high: 5}",
        "budget.electrons=1e6",
    ]
    with pytest.raises(CalibrationUnknown, match="current"):
        run(settings(*overrides))
    assert not (tmp_path / "runs").exists()


def test_a_task_that_the_instrument_cannot_serve_is_said_before_anything(settings, tmp_path):
    with pytest.raises(NotSupported):
        run(settings("instrument=flat"))
    assert not (tmp_path / "runs").exists()


class Breaking:
    """An instrument that passes everything on and fails where it is told to."""

    def __init__(self, inner, error=None, at=()):
        self._inner, self._error, self._at, self.asked = inner, error, at, 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def acquire(self, request, *, id, stop):
        self.asked += 1
        if self.asked in self._at:
            raise self._error
        return self._inner.acquire(request, id=id, stop=stop)


def breaking(settings, error, at):
    """Run a campaign whose instrument raises an error at these calls."""
    parts = build(settings)
    return run(settings, parts=replace(parts, instrument=Breaking(parts.instrument, error, at)))


def test_a_failed_measurement_is_recorded_and_the_campaign_goes_on(settings, events):
    result = breaking(settings(), HardwareFault("the laser is off"), at=(4,))
    assert result.status == "finished"
    (failed,) = events(result.folder, "failed")
    assert failed.payload["error"] == "HardwareFault"
    assert failed.payload["cost"].seconds > 0  # the worst case stays booked
    assert np.isnan(events(result.folder, "outcome")[failed.step - 1].payload["value"])


def test_a_place_that_cannot_be_reached_is_a_step_without_a_value(settings, events):
    result = breaking(settings(), OutOfReach("the scanner ends there"), at=(4,))
    assert result.status == "finished"
    (failed,) = events(result.folder, "failed")
    assert failed.payload["cost"] == Cost()  # nothing was sent
    assert np.isnan(events(result.folder, "outcome")[2].payload["value"])


def test_ten_failures_in_a_row_end_it(settings):
    result = breaking(settings("budget.steps=50"), HardwareFault("the laser is off"), at=range(2, 99))
    assert (result.status, result.exit_code) == ("failed", 1)
    assert "10 measurements in a row" in result.message


def test_a_failed_survey_ends_it(settings):
    result = breaking(settings(), HardwareFault("the laser is off"), at=(1,))
    assert (result.status, result.ended_by) == ("failed", "failed")
    assert "survey" in result.message


def test_a_bug_in_a_driver_ends_the_campaign_and_keeps_the_record(settings, events):
    result = breaking(settings(), ZeroDivisionError("oops"), at=(4,))
    assert (result.status, result.exit_code) == ("failed", 1)
    assert "ZeroDivisionError" in result.message
    assert events(result.folder, "closed")[-1].payload["status"] == "failed"
    assert "Traceback" in (result.folder / "log.jsonl").read_text()


def test_a_stop_file_interrupts_and_resume_goes_on_as_if_nothing_had_been(settings):
    whole = run(settings())
    stopped = run(settings(), boundary=_after(3, lambda folder: (folder / "stop").touch(), settings().runs))
    assert (stopped.status, stopped.exit_code) == ("interrupted", 130)
    assert status(stopped.folder).state == "interrupted"
    again = resume(stopped.folder)
    assert again.status == "finished"
    assert trajectory(again.folder) == trajectory(whole.folder)
    assert json.loads((again.folder / "summary.json").read_text())["resumed"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_interrupt_at_the_next_safe_point(settings, number):
    before = signal.getsignal(number)
    stopped = run(settings(), boundary=_after(2, lambda folder: os.kill(os.getpid(), number), settings().runs))
    assert stopped.status == "interrupted"
    assert number.name in stopped.message
    assert signal.getsignal(number) is before


def test_a_stop_in_a_long_scan_keeps_what_there_is(settings, events):
    patient = settings("instrument.pace=1.0")
    timer = threading.Timer(1.0, lambda: (next(patient.runs.iterdir()) / "stop").touch())
    timer.start()
    stopped = run(patient)
    timer.join()
    assert stopped.status == "interrupted"
    (partial,) = events(stopped.folder, "result")
    measurement = partial.payload["measurement"]
    assert not measurement.complete
    rows = next(iter(measurement.channels.values())).values
    assert np.isfinite(rows[0]).all()
    assert np.isnan(rows[-1]).all()


def test_a_finished_campaign_is_left_as_it_is(settings, events):
    result = run(settings())
    before = len(events(result.folder))
    again = resume(result.folder)
    assert again.status == "finished"
    assert "before" in again.message
    assert len(events(result.folder)) == before


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(JournalDamaged, match="no campaign"):
        resume(tmp_path)


def test_two_resumes_cannot_run(settings, events):
    refused = []

    def try_again(folder):
        try:
            resume(folder)
        except JournalHeld as error:
            refused.append(str(error))

    result = run(settings(), boundary=_after(3, try_again, settings().runs))
    assert result.status == "finished"
    assert len(refused) == 1
    assert [e.kind for e in events(result.folder, "resumed")] == []


def test_a_journal_without_room_makes_the_instrument_safe_and_stays_readable(settings, events, monkeypatch):
    from experiments.campaign.journal import writer

    made = []

    class Small(writer.Journal):
        def begin(self, meta):
            super().begin(meta)
            pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
            self._connection.execute(f"PRAGMA max_page_count={pages + 40}")

    from experiments.campaign import running

    monkeypatch.setattr(running, "Journal", Small)
    chosen = settings("budget.steps=200")
    parts = build(chosen)
    instrument = Breaking(parts.instrument, None, ())
    instrument.make_safe = lambda: (made.append(1), parts.instrument.make_safe())
    result = run(chosen, parts=replace(parts, instrument=instrument))
    assert (result.status, result.exit_code) == ("failed", 1)
    assert "free some space" in result.message
    assert made
    steps = [e.step for e in events(result.folder, "outcome")]
    assert steps == list(range(1, len(steps) + 1))
    monkeypatch.setattr(running, "Journal", writer.Journal)
    assert resume(result.folder).status == "finished"


def test_housekeeping_re_registers_and_is_the_same_after_resume(settings, events):
    overrides = ("housekeeping.register_every_s=8", "instrument.core.drift_nm_s=2.0", "budget.steps=12")
    whole = run(settings(*overrides))
    found = events(whole.folder, "housekeeping")
    assert len(found) >= 2
    assert all(e.payload["what"] == "re-registered" for e in found)
    moved = [e.payload["figures"]["moved_nm"] for e in found]
    assert max(moved) > 5.0
    stopped = run(settings(*overrides), boundary=_after(7, lambda f: (f / "stop").touch(), settings().runs))
    assert trajectory(resume(stopped.folder).folder) == trajectory(whole.folder)


def test_a_named_samples_account_outlives_the_campaign(settings):
    limited = ("sample=film-7", "guard.seconds=25")
    first = run(settings(*limited))
    assert first.status == "finished"
    second = run(settings(*limited))
    assert (second.status, second.exit_code) == ("refused", 3)
    assert run(settings("sample=film-8", "guard.seconds=25")).status == "finished"


def test_the_plan_is_dearer_than_the_campaign(settings):
    chosen = settings()
    expected = plan(chosen)
    spent = json.loads((run(chosen).folder / "summary.json").read_text())["seconds"]
    assert expected.measurements == 6
    assert spent <= expected.total.seconds * 1.001
    assert expected.refusals == []
    assert (
        "bias" in plan(settings("guard.bias_V=1")).refusals[0]
        or "V exceeds" in plan(settings("guard.bias_V=1")).refusals[0]
    )


def test_status_tells_the_states_apart(settings, tmp_path):
    seen = []
    result = run(settings(), boundary=_after(3, lambda folder: seen.append(status(folder)), settings().runs))
    assert seen[0].state == "running"
    assert seen[0].pid == os.getpid()
    assert status(result.folder).state == "finished"
    with pytest.raises(JournalDamaged):
        status(tmp_path)


class Believing:
    """An agent that says how much it was told."""

    def __init__(self, inner):
        self._inner, self._told = inner, 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def tell(self, transition):
        self._told += 1
        self._inner.tell(transition)

    def beliefs(self):
        return {"told": np.array([self._told]), "name": "counted"}


def test_beliefs_are_journalled_with_checkpoints_and_at_the_end(settings, events):
    wanted = settings("checkpoint_every=4")
    parts = build(wanted)
    folder = run(wanted, parts=replace(parts, agent=Believing(parts.agent))).folder
    beliefs = events(folder, "belief")
    assert [(e.step, e.payload["told"].tolist(), e.payload["name"]) for e in beliefs] == [
        (4, [4], "counted"),
        (6, [6], "counted"),
    ]


def test_what_the_twin_knew_is_written_for_the_report_when_nobody_decides_any_more(settings):
    finished, stopped = run(settings("report=true")), run(settings("report=true", "guard.seconds=1"))
    with np.load(finished.folder / "truth.npz", allow_pickle=False) as truth:
        assert len(truth.files) > 0
        assert all(truth[name].dtype.kind in "fiubcU" for name in truth.files)
    assert stopped.status == "refused"
    assert not (stopped.folder / "truth.npz").exists()
    assert not (run(settings("report=false")).folder / "truth.npz").exists()


def test_the_journal_keeps_what_is_needed_to_repeat_it(settings):
    chosen = settings("seed=11")
    folder = run(chosen, sweep_id="s-1", command="probewright run seed=11").folder
    with open_reader(folder / "journal.sqlite") as reader:
        meta = reader.meta()
    assert meta["seed"] == 11
    assert meta["sweep_id"] == "s-1"
    assert meta["versions"]["numpy"] == np.__version__
    from experiments.config import from_plain

    assert from_plain(meta["config"]) == chosen


def _after(results, act, runs):
    """A boundary that acts on the newest run folder after so many results."""
    left = [results]

    def boundary(name):
        if name == "after result":
            left[0] -= 1
            if left[0] == 0:
                act(max(runs.iterdir(), key=lambda f: f.stat().st_mtime_ns if f.is_dir() else 0))

    return boundary


def test_a_probe_that_is_nowhere_has_no_place(settings, events):
    class Nowhere(Breaking):
        def acquire(self, request, *, id, stop):
            return replace(super().acquire(request, id=id, stop=stop), position_nm=(float("nan"), float("nan")))

    wanted = settings()
    parts = build(wanted)
    result = run(wanted, parts=replace(parts, instrument=Nowhere(parts.instrument)))
    places = [e.payload["position_nm"] for e in events(result.folder, "outcome")]
    asked = [e.payload["request"].position_nm for e in events(result.folder, "command") if e.step > 0]
    assert [tuple(place) for place in places] == asked
