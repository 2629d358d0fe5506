"""The journal: durable, fenced, readable while written, honest when damaged or out of room."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from experiments.campaign import resume
from experiments.campaign.journal import (
    Fenced,
    Journal,
    JournalDamaged,
    JournalFull,
    JournalHeld,
    is_held,
    open_reader,
    schema,
)
from experiments.campaign.journal.codec import decode, encode
from instruments.cost import Cost
from instruments.measurement import Axis, Channel, Measurement
from instruments.requests import BiasSpectroscopy

REQUEST = BiasSpectroscopy((1.5, -2.5), -8.0, 8.0, 16, 1e-3)
MEASUREMENT = Measurement(
    "c-1",
    REQUEST,
    {"piezoresponse": Channel(np.arange(16.0) / 3, "pm", (Axis("bias", "V", np.linspace(-8, 8, 16)),))},
    Cost(1.0, 2.0, 3.0, 4.0),
    False,
    (1.0, 2.0),
    {"drift_nm": 0.5},
    "ended early",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path):
    journal = Journal(path)
    journal.begin({"campaign_id": "abc", "name": "test"})
    yield journal
    journal.close()


def test_what_is_written_is_read_back_by_others_at_once(journal, path):
    journal.add("result", [("result", 3, {"id": "c-1", "measurement": MEASUREMENT, "snapshot": None})])
    with open_reader(path) as reader:
        assert reader.meta() == {"campaign_id": "abc", "name": "test", "schema_version": schema.VERSION}
        opened, result = reader.events()
    assert (opened.kind, result.kind, result.step) == ("opened", "result", 3)
    read = result.payload["measurement"]
    assert read.request == REQUEST
    assert read.cost == MEASUREMENT.cost
    np.testing.assert_array_equal(read.channels["piezoresponse"].values, np.arange(16.0) / 3)


@given(nps.arrays(st.sampled_from([np.float64, np.float32, np.int64, np.bool_, np.complex128]), nps.array_shapes()))
def test_arrays_survive_bit_for_bit(array):
    read = decode(encode({"a": array}))["a"]
    assert read.dtype == array.dtype
    assert read.tobytes() == array.tobytes()


def test_what_the_journal_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="cannot hold a set"):
        encode({"a": {1, 2}})


def test_events_can_be_picked(journal, path):
    journal.add("x", [("decision", i, {"i": i}) for i in range(1, 4)] + [("outcome", 3, {})])
    with open_reader(path) as reader:
        assert [e.step for e in reader.events(kinds=["decision"])] == [1, 2, 3]
        assert [e.kind for e in reader.events(after=4)] == ["outcome"]
        assert reader.last("decision").payload == {"i": 3}
        assert reader.last("closed") is None


def test_a_large_payload_is_a_file_with_its_hash(journal, path):
    big = np.random.default_rng(0).normal(size=(300, 300))
    journal.add("result", [("result", 1, {"a": big})])
    (artifact,) = (path.parent / "artifacts").glob("*.msgpack")
    with open_reader(path) as reader:
        np.testing.assert_array_equal(reader.last("result").payload["a"], big)
        artifact.write_bytes(artifact.read_bytes()[:-1] + b"x")
        with pytest.raises(JournalDamaged, match="hash"):
            reader.last("result")
        artifact.unlink()
        with pytest.raises(JournalDamaged, match="cannot be read"):
            reader.last("result")


def test_a_second_writer_is_refused_while_the_first_lives(journal, path):
    assert is_held(path)
    with pytest.raises(JournalHeld, match="another process"):
        Journal(path)
    journal.close()
    assert not is_held(path)
    Journal(path).close()


def test_a_writer_that_was_taken_over_is_fenced(journal, path):
    with sqlite3.connect(path) as other:
        other.execute("UPDATE lease SET fence = fence + 1")
    other.close()
    with pytest.raises(Fenced):
        journal.add("x", [("decision", 1, {})])
    with open_reader(path) as reader:
        assert [e.kind for e in reader.events()] == ["opened"]


def test_a_failed_transaction_leaves_nothing(journal, path):
    with pytest.raises(TypeError):
        journal.add("x", [("decision", 1, {}), ("decision", 2, {"bad": object()})])
    journal.add("x", [("decision", 3, {})])
    with open_reader(path) as reader:
        assert [e.step for e in reader.events(kinds=["decision"])] == [3]


def test_a_full_disk_is_said_and_the_journal_stays_readable(journal, path):
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count={pages + 4}")
    with pytest.raises(JournalFull, match=r"free some space.*probewright resume"):
        _fill(journal)
    with open_reader(path) as reader:
        steps = [e.step for e in reader.events(kinds=["decision"])]
    assert steps == list(range(1, len(steps) + 1))


def _fill(journal):
    for step in range(1, 100):
        journal.add("x", [("decision", step, {"a": np.zeros(500)})])


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\1" * 4000])
def test_something_else_is_not_a_journal(path, content):
    path.write_bytes(content)
    with pytest.raises(JournalDamaged):
        open_reader(path)


def test_another_sqlite_file_is_not_a_journal(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE cats(name)")
    other.close()
    with pytest.raises(JournalDamaged, match="something else"):
        open_reader(path)
    with pytest.raises(JournalDamaged, match="something else"):
        Journal(path)
    assert not is_held(path)


@given(st.integers(1, 40_000))
def test_what_is_read_of_a_truncated_journal_is_right_or_an_error(tmp_path_factory, size):
    folder = tmp_path_factory.mktemp("truncated")
    journal = Journal(folder / "journal.sqlite")
    journal.begin({"campaign_id": "abc"})
    journal.add("x", [("decision", i, {"i": i}) for i in range(1, 50)])
    journal.close()
    whole = (folder / "journal.sqlite").read_bytes()
    (folder / "journal.sqlite").write_bytes(whole[:size])
    try:
        with open_reader(folder / "journal.sqlite") as reader:
            assert [e.payload for e in reader.events(kinds=["decision"])] == [{"i": i} for i in range(1, 50)]
    except JournalDamaged:
        return


def test_a_newer_journal_is_refused(journal, path):
    journal._connection.execute("PRAGMA user_version=99")
    with pytest.raises(JournalDamaged, match="update probewright"):
        open_reader(path)
    journal.close()
    with pytest.raises(JournalDamaged, match="update probewright"):
        Journal(path)


def test_migrations_run_in_order_and_all_or_nothing(path):
    connection = schema.connect(path)
    connection.execute("CREATE TABLE events(seq)")
    connection.execute("PRAGMA user_version=1")
    steps = {
        1: lambda c: c.execute("ALTER TABLE events ADD COLUMN two"),
        2: lambda c: c.execute("ALTER TABLE events RENAME COLUMN two TO three"),
    }
    assert schema.migrate(connection, steps, target=3) == 1
    assert [row[1] for row in connection.execute("PRAGMA table_info(events)")] == ["seq", "three"]

    def broken(c):
        c.execute("ALTER TABLE events ADD COLUMN four")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        schema.migrate(connection, {3: broken}, target=4)
    assert schema.version_of(connection) == 3
    assert [row[1] for row in connection.execute("PRAGMA table_info(events)")] == ["seq", "three"]
    connection.close()


def test_a_journal_that_never_began_cannot_be_taken_over(path):
    journal = Journal(path)
    with pytest.raises(JournalDamaged, match="run it again"):
        journal.take_over()
    journal.close()
    with open_reader(path) as reader:
        assert reader.meta() == {}
        assert list(reader.events()) == []


RELEASED = sorted(Path(__file__).with_name("data").glob("journal-schema-*.sqlite"))


def test_there_is_a_journal_of_every_released_schema():
    assert [int(path.stem.rsplit("-", 1)[1]) for path in RELEASED] == list(range(1, schema.VERSION + 1))


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_an_interrupted_campaign_of_a_released_schema_can_be_read_and_goes_on(released, path):
    shutil.copy(released, path)
    with open_reader(path) as reader:
        before = [event.step for event in reader.events(kinds=["outcome"])]
        assert reader.meta()["name"] == "released"
    assert before == [1, 2, 3]
    result = resume(path.parent)
    assert (result.status, result.ended_by) == ("finished", "steps")
    with open_reader(path) as reader:
        assert [event.step for event in reader.events(kinds=["outcome"])] == [1, 2, 3, 4, 5]
        assert reader.meta()["schema_version"] == schema.VERSION


def test_times_never_go_back_whoever_sets_the_clock(path, monkeypatch):
    first = Journal(path)
    first.begin({"campaign_id": "abc", "created": time.time()})
    monkeypatch.setattr(time, "time", lambda: 1.0)
    first.add("a", [("decision", 1, {})])
    first.close()
    second = Journal(path)
    second.take_over()
    second.add("b", [("outcome", 1, {})])
    second.close()
    with open_reader(path) as reader:
        times = [event.t for event in reader.events()]
    assert len(times) == 3
    assert times == sorted(times)
    assert times[-1] > 1e9
