"""A journal gone over again shows what the agent saw, bit for bit, and one that does not come out is refused."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from experiments.campaign import resume, run
from experiments.campaign.journal import codec, open_reader
from experiments.campaign.people.questions import Answer, Question
from experiments.config import ConfigError, Parts, build, compose
from experiments.offline import journals, sources

WORLDS = {
    "noisy": ("instrument.core.noise=0.1", "seed=7"),
    "moving": ("campaign=si_atom_move", "agent=greedy_hops", "budget.steps=12", "seed=3"),
    "spectra": ("campaign=loop_discovery", "agent=random", "budget.steps=5"),
    "refused": ("guard.exclude=[{center_nm: [-400, 200], radius_nm: 250}]", "seed=1"),
}


@pytest.mark.parametrize("name", WORLDS)
def test_what_the_agent_saw_is_made_again_bit_for_bit(name, noted, peak) -> None:
    quiet = ["tracking=off", "report=false", *WORLDS[name]]
    folder, agent = noted(compose(quiet, []) if "campaign" in quiet[2] else peak(*WORLDS[name]))
    recording = journals.read_journal(folder)
    (episode,) = recording.episodes
    assert len(episode.rewards) == len(agent.rewards) > 3
    assert np.array_equal(episode.rewards, agent.rewards)
    assert episode.observations.keys() == agent.seen[0].keys()
    for key, values in episode.observations.items():
        wanted = np.stack([seen[key] for seen in agent.seen])
        assert values.dtype == wanted.dtype
        assert np.array_equal(values, wanted, equal_nan=True)
    with open_reader(folder / "journal.sqlite") as reader:
        decided = [e.payload["action"] for e in reader.events(kinds=("decision",))]
        failed = list(reader.events(kinds=("refused",)))
    assert np.array_equal(episode.actions, decided)
    assert bool(failed) == (name == "refused")
    assert episode.terminated == (name in ("noisy", "refused"))
    assert recording.parts["task"]["_target_"].startswith("environments.tasks.")


@dataclass
class Person:
    """Wants another place than the agent in step 2."""

    def offer(self, question: Question) -> None:
        pass

    def poll(self, question: Question) -> Answer:
        return Answer("measure", action=(0.25, -0.5)) if question.step == 2 else Answer("approve")


def test_what_people_chose_is_what_was_done(noted, peak) -> None:
    folder, agent = noted(peak("hitl=approve"), terminal=Person())
    (episode,) = journals.read_journal(folder).episodes
    assert episode.actions[1] == pytest.approx([0.25, -0.5])
    assert np.array_equal(episode.rewards, agent.rewards)
    assert np.array_equal(episode.observations["position"], np.stack([seen["position"] for seen in agent.seen]))


def test_a_resumed_campaign_is_read_as_one_that_was_never_stopped(peak) -> None:
    def stop(label: str) -> None:
        if label == "after result":
            results.append(label)
        if len(results) == 4:
            next(Path().glob("runs/*/journal.sqlite")).with_name("stop").touch()

    results: list[str] = []
    stopped = run(peak("runs=runs"), boundary=stop, durable=False)
    assert stopped.status == "interrupted"
    (part,) = journals.read_journal(stopped.folder).episodes
    assert (len(part.rewards), part.terminated) == (4, False)
    (whole,) = journals.read_journal(resume(stopped.folder).folder).episodes
    (unbroken,) = journals.read_journal(run(peak("runs=others"), durable=False).folder).episodes
    assert whole.terminated
    assert np.array_equal(whole.actions, unbroken.actions)
    assert all(np.array_equal(whole.observations[name], seen) for name, seen in unbroken.observations.items())


class Elsewhere:
    """An instrument that cannot be made anew: another one behind a door."""

    def __init__(self, inner) -> None:
        self._inner = inner

    def __getattr__(self, name: str):
        return getattr(self._inner, name)


def test_what_an_instrument_elsewhere_said_of_itself_is_in_the_journal(peak) -> None:
    wanted = peak("instrument.core.field_nm=500", "instrument.core.noise=0.1")
    parts = build(wanted)
    away = run(wanted, parts=Parts(Elsewhere(parts.instrument), parts.task, parts.agent), durable=False)
    here = run(wanted, durable=False)
    for folder, noted in ((away.folder, 1), (here.folder, 0)):
        with open_reader(folder / "journal.sqlite") as reader:
            assert len(list(reader.events(kinds=("capabilities",)))) == noted
            assert reader.meta()["config"]["instrument"]["core"]["field_nm"] == 500.0
    one, other = (journals.read_journal(run.folder).episodes[0] for run in (away, here))
    assert np.array_equal(one.actions, other.actions)
    assert all(np.array_equal(values, other.observations[name]) for name, values in one.observations.items())


def test_an_instrument_that_said_nothing_is_refused_without_being_asked(taught, tmp_path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(next(taught.glob("find_peak*")), folder)
    with sqlite3.connect(folder / "journal.sqlite") as connection:
        (text,) = connection.execute("SELECT value FROM meta WHERE key = 'config'").fetchone()
        config = json.loads(text)
        config["instrument"] = {
            "_target_": "instruments.bridge.remote.RemoteInstrument",
            "address": "tcp://127.0.0.1:9",
        }
        connection.execute("UPDATE meta SET value = ? WHERE key = 'config'", (json.dumps(config),))
    with pytest.raises(ConfigError, match="capabilities are not in the journal"):
        journals.read_journal(folder)


def altered(folder, kind: str, change) -> None:
    """The first event of a kind, changed in the journal's file."""
    with sqlite3.connect(folder / "journal.sqlite") as connection:
        seq, payload = connection.execute(
            "SELECT seq, payload FROM events WHERE kind = ? ORDER BY seq DESC", (kind,)
        ).fetchone()
        content = codec.decode(payload)
        change(content)
        connection.execute("UPDATE events SET payload = ? WHERE seq = ?", (codec.encode(content), seq))


@pytest.mark.parametrize("what", ["value", "reward"])
def test_a_journal_that_does_not_come_out_is_refused(what, taught, tmp_path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(next(taught.glob("find_peak*")), folder)
    journals.read_journal(folder)
    altered(folder, "outcome", lambda content: content.update({what: content[what] + 1e-6}))
    with pytest.raises(ConfigError, match="the outcome of step 10 does not come out as recorded"):
        journals.read_journal(folder)


def test_other_requests_than_were_made_are_refused(taught, tmp_path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(next(taught.glob("find_peak*")), folder)
    altered(folder, "decision", lambda content: content.update({"action": content["action"] * 0.9}))
    with pytest.raises(ConfigError, match="the request of step 10 does not come out as recorded"):
        journals.read_journal(folder)


def test_sources_are_folders_folders_of_runs_and_globs(taught) -> None:
    runs = sorted(taught.glob("find_peak*"))
    assert sources.read([str(taught)]).steps == 400
    assert [e.source for e in sources.read([str(taught / "find_peak-*")]).episodes] == [run.name for run in runs]
    assert sources.read([str(runs[3]), str(runs[3]), str(runs[1])]).episodes[1].source == runs[1].name
    assert {episode.seed for episode in sources.read([str(taught)]).episodes} == set(range(40))


def test_what_cannot_be_learned_from_is_one_line(taught, tmp_path, peak) -> None:
    one = str(next(taught.glob("find_peak*")))
    other = run(peak("task.tries=9"), durable=False).folder
    empty = run(peak("budget.seconds=1e-6"), durable=False).folder
    for names, said in (
        ([str(tmp_path / "nowhere")], "there is no campaign"),
        ([one, str(other)], r"of another task than the first of the data \(tries differ\)"),
        ([str(empty)], "no step"),
        ([], "data is empty"),
    ):
        with pytest.raises(ConfigError, match=said):
            sources.read(names)


def test_a_running_campaign_and_one_that_never_began_are_refused(tmp_path, peak) -> None:
    def boundary(label: str) -> None:
        if label == "after result":
            with pytest.raises(ConfigError, match="still running"):
                journals.read_journal(next(tmp_path.glob("runs/*")))
            seen.append(label)

    seen: list[str] = []
    folder = run(peak("budget.steps=2"), boundary=boundary).folder
    assert seen
    (folder / "journal.sqlite").write_bytes(b"")
    with pytest.raises(ConfigError, match="killed before its campaign began"):
        journals.read_journal(folder)


def test_plain_values_are_compared_within_rounding() -> None:
    one = {"a": [1.0, math.nan, None, "x"], "b": np.array([1.0, np.nan])}
    assert journals.same(one, {"a": (1.0 + 1e-12, math.nan, None, "x"), "b": np.array([1.0, np.nan])})
    for other in ({"a": 1.0}, {**one, "b": np.array([1.0])}, {**one, "a": [1.0, 2.0, None, "x"]}, {**one, "a": [True]}):
        assert not journals.same(one, other)
    assert not journals.same(True, 2)
