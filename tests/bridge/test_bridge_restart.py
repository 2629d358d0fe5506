"""A server that is killed in mid-campaign and started again: the campaign goes on, and nothing is exposed twice."""

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trajectories import trajectory
from experiments import campaign
from experiments.campaign.journal import open_reader
from experiments.config import compose
from instruments.bridge.ledger import Ledger
from instruments.bridge.remote import RemoteInstrument
from instruments.cost import Cost
from instruments.embedded import Embedded
from instruments.errors import ConnectionLost
from instruments.requests import PointSpectrum
from instruments.twins.flat import Flat

ServeElsewhere = Callable[..., Any]
QUIET = ["campaign=find_peak", "agent=sobol", "tracking=off", "report=false", "budget.steps=8"]
HERE = PointSpectrum((0.0, 0.0), 0.1)


def killed_in_mid_exposure(server: Any, folder: Path, after: int, eventually: Callable[..., bool]) -> threading.Thread:
    """Kills a server while it carries out its exposure number `after`."""

    def kill() -> None:
        assert eventually(lambda: len(exposures(folder)) >= after)
        server.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def exposures(folder: Path) -> list[str]:
    path = folder / "exposed.txt"
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACE", "0.3")


@pytest.mark.usefixtures("slow")
def test_an_instruments_campaign_survives_its_server(
    serve_elsewhere: ServeElsewhere, tmp_path: Path, eventually: Callable[..., bool]
) -> None:
    folder = tmp_path / "served"
    server = serve_elsewhere("exposing:make", folder)
    killer = killed_in_mid_exposure(server, folder, 4, eventually)
    again = threading.Thread(target=lambda: (killer.join(), serve_elsewhere("exposing:make", folder, server.address)))
    again.start()
    chosen = ["instrument=remote", f"instrument.address={server.address}", f"runs={tmp_path / 'runs'}"]
    result = campaign.run(compose([*QUIET, *chosen]))
    again.join()
    assert result.status == "finished", result.message
    times = Counter(exposures(folder))
    assert set(times.values()) == {1}
    with open_reader(result.folder / "journal.sqlite") as reader:
        failed = list(reader.events(kinds=("failed",)))
    assert [event.payload["error"] for event in failed] == ["ConnectionLost"]
    assert failed[0].payload["cost"].electrons > 0  # what nobody knows of counts as spent
    assert len(times) == 8


def test_a_twins_campaign_is_resumed_as_if_nothing_had_been(
    serve_elsewhere: ServeElsewhere, tmp_path: Path, eventually: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "served"
    server = serve_elsewhere("instruments.twins.flat:Flat", folder)
    chosen = ["instrument=remote_twin", f"instrument.address={server.address}", "instrument.patience_s=1.0"]
    settings = compose([*QUIET, *chosen, f"runs={tmp_path / 'runs'}"])
    calls = 0

    def boundary(name: str) -> None:
        nonlocal calls
        calls += name.startswith("before command") or "command" in name
        if calls == 6:
            calls += 1000
            server.kill()

    broken = campaign.run(settings, boundary=boundary)
    assert broken.status == "failed"
    assert "ConnectionLost" in broken.message
    serve_elsewhere("instruments.twins.flat:Flat", folder, server.address)
    assert campaign.resume(broken.folder).status == "finished"
    whole = campaign.run(compose([*QUIET, "instrument=flat", f"runs={tmp_path / 'runs'}"]))
    assert trajectory(broken.folder) == trajectory(whole.folder)


def test_what_was_carried_out_before_a_restart_is_known_after_it(
    serve_elsewhere: ServeElsewhere, tmp_path: Path
) -> None:
    folder, never = tmp_path / "served", threading.Event()
    server = serve_elsewhere("exposing:make", folder)
    first = RemoteInstrument(server.address)
    done = first.acquire(HERE, id="a", stop=never)
    server.kill()
    again = serve_elsewhere("exposing:make", folder, server.address)
    with pytest.raises(ConnectionLost, match="started anew"):
        first.acquire(HERE, id="b", stop=never)
    assert first.lookup("b") is None
    found = first.lookup("a")
    assert found is not None
    assert found.channels["signal"].values.tolist() == done.channels["signal"].values.tolist()
    assert first.acquire(HERE, id="a", stop=never).cost == done.cost  # answered from the ledger
    assert first.acquire(HERE, id="b", stop=never).complete
    assert exposures(folder) == ["a", "b"]
    first.close()
    again.end()


def test_a_ledger_with_a_torn_end_keeps_all_that_was_whole(tmp_path: Path) -> None:
    twin = Embedded(Flat())
    ledger = Ledger(tmp_path)
    measurement = twin.acquire(HERE, id="a", stop=threading.Event())
    ledger.begin("a", HERE, twin.price(HERE))
    ledger.settle("a", measurement.cost, measurement)
    ledger.begin("b", HERE, Cost(electrons=5.0))
    ledger.close()
    path = tmp_path / "commands.msgpack"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 5])
    again = Ledger(tmp_path)
    assert path.read_bytes() == whole
    found = again.result("a")
    assert found is not None
    assert found.cost == measurement.cost
    assert again.result("b") is None
    assert [(id, cost.electrons) for id, _, cost in again.bookings()] == [("a", measurement.cost.electrons), ("b", 5.0)]
    again.close()
