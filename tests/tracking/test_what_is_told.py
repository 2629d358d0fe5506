"""The pure parts: names, numbers, addresses, hashes, and the state file."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.tracking import dataset, retry, rows, state
from experiments.tracking.address import absolute, local_folder, ui_command

ACCEPTED = re.compile(r"^[/\w.\- :]*$")
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), PLAIN, max_size=4))
def test_any_settings_become_parameters_mlflow_holds(plain):
    for key, value in rows.flatten(plain).items():
        assert ACCEPTED.match(key)
        assert len(key) <= 250
        assert len(value) <= 6000


@given(st.floats())
def test_numbers_are_kept_or_finite(value):
    told = rows.finite(value)
    assert math.isnan(told) if math.isnan(value) else told == max(-sys.float_info.max, min(sys.float_info.max, value))


def test_long_values_are_cut_and_say_so():
    flat = rows.flatten({"a": {"b": "x" * 7000, "c": {}}, "d": [1, 2]})
    assert flat["a.b"] == "x" * 5999 + "…"
    assert (flat["a.c"], flat["d"]) == ("{}", "[1, 2]")


def test_addresses_do_not_depend_on_the_working_folder(own_folder):
    assert absolute("sqlite:///here.db") == f"sqlite:///{own_folder}/here.db"
    assert absolute("sqlite:////data/there.db") == "sqlite:////data/there.db"
    assert absolute("files") == absolute("file:files") == f"file://{own_folder}/files"
    assert absolute("http://lab:5000/") == "http://lab:5000"
    assert local_folder("http://lab:5000") is None
    assert local_folder("sqlite:////data/there.db") == Path("/data")


def test_the_command_for_the_ui():
    assert ui_command("sqlite:////runs/mlflow.db") == "mlflow ui --backend-store-uri sqlite:////runs/mlflow.db"
    assert ui_command("sqlite:////my runs/mlflow.db") == "mlflow ui --backend-store-uri 'sqlite:////my runs/mlflow.db'"
    assert ui_command("http://lab:5000") == "open http://lab:5000"


def test_a_folder_of_data_has_one_hash_that_names_count_in(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first = dataset.sha256(tmp_path)
    (tmp_path / "b").rename(tmp_path / "c")
    second = dataset.sha256(tmp_path)
    (tmp_path / "c").write_text("3")
    assert len({first, second, dataset.sha256(tmp_path)}) == 3
    assert dataset.sha256(tmp_path / "nothing") == "missing"


def test_every_file_of_a_replay_is_a_source(tmp_path):
    (tmp_path / "loops.npz").write_bytes(b"1")
    core = {"_target_": "instruments.replay.replay.Replay", "path": "loops.npz", "image_path": None, "dwell_s": 0.1}
    config = {"instrument": {"_target_": "instruments.embedded.Embedded", "core": core}}
    (alone,) = dataset.sources(config, 0)
    assert (alone.name, len(alone.digest)) == ("loops.npz", 36)
    core["image_path"] = str(tmp_path / "moved.npz")
    assert [(s.name, s.digest) for s in dataset.sources(config, 0)][1] == ("moved.npz", "missing")


def test_state_survives_and_damage_is_no_state(tmp_path):
    known = state.State("sqlite:////x.db", "e", "r", 5, 7, True, "RUNNING 1", {"a": "b"}, "")
    state.save(tmp_path, known)
    assert state.load(tmp_path) == known
    path = tmp_path / state.NAME
    for damage in ("", "{", "[]", json.dumps({"high_water": "5"}), "\x00\x00"):
        path.write_text(damage)
        assert state.load(tmp_path) == state.State()
    path.unlink()
    assert state.load(tmp_path) == state.State()


def test_pauses_grow_to_a_limit():
    pauses = retry.pauses_s(1.0, 5.0)
    assert [next(pauses) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize("text", ["", "a\nb\n\nc", "x" * 999])
def test_an_error_is_one_short_line(text):
    said = retry.one_line(ValueError(text))
    assert said
    assert "\n" not in said
    assert len(said) <= 300
