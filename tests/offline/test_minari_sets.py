"""Minari's format keeps everything bit for bit, and what is not there or not ours is said in one line."""

from __future__ import annotations

import json
import sys

import gymnasium
import numpy as np
import pytest

from experiments.cli.app import main
from experiments.config import ConfigError
from experiments.offline import minari_sets, sources
from experiments.offline.episodes import Episode, Recording

minari = pytest.importorskip("minari", reason="Minari is not installed (extra offline)")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Minari's folder, of this test alone."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    return tmp_path / "sets"


def same(one: Recording, other: Recording) -> None:
    assert len(one.episodes) == len(other.episodes)
    for a, b in zip(one.episodes, other.episodes, strict=True):
        assert a.observations.keys() == b.observations.keys()
        pairs = [(a.observations[name], b.observations[name]) for name in a.observations]
        for ours, theirs in [*pairs, (a.actions, b.actions), (a.rewards, b.rewards)]:
            assert ours.dtype == theirs.dtype
            assert np.array_equal(ours, theirs, equal_nan=True)
        assert (a.terminated, a.seed, a.source) == (b.terminated, b.seed, b.source)


def test_campaigns_come_back_as_they_went(taught, place, capsys) -> None:
    assert main(["export", str(taught), "--minari", "lab/peak-v0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(place / "lab" / "peak-v0")
    ours = sources.read([str(taught)])
    again = sources.read(["minari:lab/peak-v0"])
    same(ours, again)
    same(ours, sources.read([f"minari:{place / 'lab' / 'peak-v0'}"]))
    assert again.parts == ours.parts
    assert sources.parts_of(["minari:lab/peak-v0"]) == sources.parts_of([str(taught)])
    assert {values.dtype for values in again.episodes[0].observations.values()} == {np.dtype(np.float32)}
    assert again.episodes[0].actions.dtype == np.float64


def test_minari_itself_reads_what_was_written(taught, place) -> None:
    ours = sources.read([str(taught)])
    minari_sets.write(ours, "peak-v3")
    known = minari.load_dataset("peak-v3")
    assert (known.total_episodes, known.total_steps) == (40, 400)
    for episode, own in zip(known.iterate_episodes(), ours.episodes, strict=True):
        assert episode.terminations.tolist() == [False] * 9 + [True]
        assert not episode.truncations.any()
        assert all(known.action_space.contains(action) for action in episode.actions)
        first = {name: values[0] for name, values in episode.observations.items()}
        assert known.observation_space.contains(first)
        assert np.array_equal(episode.rewards, own.rewards)


def test_choices_images_and_cut_episodes_are_kept_without_loss() -> None:
    rng = np.random.default_rng(0)
    seen = gymnasium.spaces.Dict(
        {
            "image": gymnasium.spaces.Box(0, 255, (16, 16, 3), np.uint8),
            "map": gymnasium.spaces.Box(-np.inf, np.inf, (4, 5), np.float64),
        }
    )
    shown = {"image": rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8), "map": rng.normal(size=(6, 4, 5))}
    rewards = np.array([0.1, -1.0, 1e-300, np.pi, 0.0])
    episode = Episode(shown, np.array([0, 3, 2, 1, 3]), rewards, False, None, "minari#0")
    wanted = Recording(seen, gymnasium.spaces.Discrete(4), {"task": {"_target_": "a.B"}}, (episode,))
    minari_sets.write(wanted, "odd-v0")
    found = minari_sets.read("odd-v0")
    same(wanted, found)
    assert (found.observation_space, found.action_space) == (seen, gymnasium.spaces.Discrete(4))


def test_a_name_that_is_taken_or_none_is_refused_before_anything_is_read(taught, place, capsys) -> None:
    minari_sets.write(sources.read([str(next(taught.glob("find*")))]), "peak-v0")
    for name, said in (
        ("peak-v0", "there is a data set peak-v0 already"),
        ("peak", "no name"),
        ("a/../b-v0", "no name"),
    ):
        assert main(["export", "nowhere", "--minari", name]) == 2
        assert said in capsys.readouterr().err
    assert main(["export", str(taught)]) == 2
    assert "--minari NAME-v0" in capsys.readouterr().err
    assert [path.name for path in place.iterdir()] == ["peak-v0"]


def test_what_cannot_be_written_leaves_no_half(place) -> None:
    ragged = Episode({"a": np.zeros((2, 1))}, np.zeros(1), np.array([object()]), True, 0, "x")
    with pytest.raises(TypeError):
        minari_sets.write(Recording(gymnasium.spaces.Dict({}), gymnasium.spaces.Discrete(2), {}, (ragged,)), "bad-v0")
    assert list(place.iterdir()) == []


def test_a_set_of_others_needs_a_twin_and_fitting_spaces(place, capsys) -> None:
    flat = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    spaces = {"last_and_best": gymnasium.spaces.Box(-1e6, 1e6, (2,), np.float32)}
    named = gymnasium.spaces.Dict({"position": flat, **spaces})
    for name, seen, shown in (
        ("plain-v0", flat, np.zeros((4, 2), np.float32)),
        ("fits-v0", named, {"position": np.zeros((4, 2), np.float32), "last_and_best": np.ones((4, 2), np.float32)}),
        ("odd-v0", gymnasium.spaces.Dict({"position": flat}), {"position": np.zeros((4, 2), np.float32)}),
    ):
        episode = minari.data_collector.EpisodeBuffer(
            observations=shown,
            actions=np.zeros((3, 2), np.float32),
            rewards=[0.0, 1.0, 2.0],
            terminations=[False, False, False],
            truncations=[False, False, True],
        )
        with pytest.warns(UserWarning, match="None"):
            minari.create_dataset_from_buffers(name, [episode, episode], observation_space=seen, action_space=flat)
    twin = ["instrument=flat", "task=find_peak", "scenario=shifted", "tracking=off", "steps=10", "episodes=2"]
    train = ["train", "training=clone"]
    assert main([*train, "data=minari:fits-v0"]) == 2
    assert "instrument=NAME" in capsys.readouterr().err
    assert main([*train, "data=minari:plain-v0", *twin]) == 2
    assert "have names" in capsys.readouterr().err
    assert main([*train, "data=minari:odd-v0", *twin]) == 2
    assert "the data do not fit the task" in capsys.readouterr().err
    assert main([*train, "data=minari:fits-v0", *twin]) == 0


def test_sets_that_are_not_there_and_a_minari_that_is_not_there(monkeypatch, place) -> None:
    with pytest.raises(ConfigError, match=r"there is no Minari data set lab/none-v0: .*MINARI_DATASETS_PATH"):
        sources.read(["minari:lab/none-v0"])
    (place / "broken-v0" / "data").mkdir(parents=True)
    (place / "broken-v0" / "data" / "metadata.json").write_text(json.dumps({"data_format": "hdf5"}))
    with pytest.raises(ConfigError, match="cannot be read"):
        sources.read(["minari:broken-v0"])
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(ConfigError, match=r"Minari is not installed .*probewright\[offline\]"):
        sources.read(["minari:lab/none-v0"])
