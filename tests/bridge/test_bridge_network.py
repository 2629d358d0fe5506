"""A bad network between client and server, packet by packet: nothing is exposed twice, and a cut line ends safe."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from instruments.bridge.keys import make_client_keys, make_server_keys
from instruments.bridge.remote import RemoteInstrument
from instruments.bridge.spoken import LeaseLost
from instruments.errors import ConnectionLost
from instruments.requests import PointSpectrum

HERE = Path(__file__).parent
NEVER = threading.Event()
SHORT, LONG = PointSpectrum((0.0, 0.0), 0.5), PointSpectrum((0.0, 0.0), 60.0)
LEASE_S = 2.0


def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("line", HERE / "line.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


network = module()
why = network.missing()
pytestmark = pytest.mark.skipif(bool(why), reason=why or "network namespaces can be made")


@pytest.fixture
def line() -> Iterator[Any]:
    made = network.Line(seed=1)
    yield made
    made.close()


@pytest.fixture
def server(line: Any, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Of the exposing driver, at the line's far end."""
    make_server_keys(tmp_path / "keys")
    environment = os.environ | {"PYTHONPATH": str(HERE), "EXPOSED": str(tmp_path / "exposed.txt")}
    target = ["exposing:make", "--address", f"tcp://{network.FAR}:5577", "--keys", str(tmp_path / "keys")]
    more = ["--folder", str(tmp_path / "served"), "--lease-s", str(LEASE_S)]
    command = ["ip", "netns", "exec", line.space, sys.executable, "-m", "instruments.bridge", *target, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("tcp://")
        yield process
        process.terminate()


@pytest.fixture
def remote(server: subprocess.Popen[str], tmp_path: Path) -> Iterator[RemoteInstrument]:
    key = make_client_keys(tmp_path / "keys", "anna")
    instrument = RemoteInstrument(f"tcp://{network.FAR}:5577", key, patience_s=6.0)
    yield instrument
    instrument.close()


def exposed(folder: Path) -> list[str]:
    path = folder / "exposed.txt"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("bad", [{"delay_s": 0.1}, {"loss": 0.2}, {"twice": 0.5}, {"late": 0.3}], ids=str)
def test_a_bad_line_only_takes_longer(
    line: Any, remote: RemoteInstrument, tmp_path: Path, bad: dict[str, float]
) -> None:
    for name, value in bad.items():
        setattr(line, name, value)
    for i in range(8):
        assert remote.acquire(SHORT, id=str(i), stop=NEVER).complete
    assert exposed(tmp_path) == [str(i) for i in range(8)]
    assert line.carried > 40
    assert bool(line.lost) == ("loss" in bad)
    assert bool(line.doubled) == ("twice" in bad)
    assert bool(line.held) == ("late" in bad)


def test_a_cut_line_is_safe_within_a_second_of_the_lease(
    line: Any, remote: RemoteInstrument, tmp_path: Path, eventually: Callable[..., bool],
    until_safe: Callable[[float, float], None],
) -> None:  # fmt: skip
    remote.acquire(SHORT, id="a", stop=NEVER)
    said: list[BaseException] = []
    thread = threading.Thread(target=lambda: said.append(lost(remote)))
    thread.start()
    assert eventually(lambda: exposed(tmp_path) == ["a", "b"])
    line.whole, cut_s = False, time.monotonic()
    log = tmp_path / "served" / "audit.jsonl"
    assert eventually(lambda: "made safe" in log.read_text())
    after_s = time.monotonic() - cut_s
    until_safe(after_s, LEASE_S)
    assert after_s <= LEASE_S + 1.0
    safe = next(json.loads(text) for text in log.read_text().splitlines() if "made safe" in text)
    over = next(json.loads(text) for text in log.read_text().splitlines() if "lease over" in text)
    assert "nothing was heard" in safe["reason"]
    assert safe["up_s"] - over["up_s"] <= 1.0
    thread.join(20)
    assert isinstance(said[0], ConnectionLost)
    line.whole = True
    with pytest.raises(LeaseLost, match="nothing was heard of"):
        remote.acquire(SHORT, id="c", stop=NEVER)
    assert exposed(tmp_path) == ["a", "b"]


def lost(remote: RemoteInstrument) -> BaseException:
    try:
        return AssertionError(f"it came back: {remote.acquire(LONG, id='b', stop=NEVER)}")
    except ConnectionLost as error:
        return error
