"""Between the server's loop and the threads beside it: who is done answers in the loop's place only while it rests."""

import threading
import time
from collections.abc import Iterator

import pytest
import zmq

from instruments.bridge.bell import Bell
from instruments.bridge.sockets import receive


@pytest.fixture
def bell() -> Iterator[tuple[Bell, "zmq.Socket[bytes]"]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.rcvtimeo = 2000
    yield Bell(context, router), router
    context.destroy(linger=0)


def elsewhere(bell: Bell, found: list[bool]) -> threading.Thread:
    def finish() -> None:
        with bell.in_its_place() as mine:
            found.append(mine)
        if not mine:
            bell.ring("job", (1,))

    thread = threading.Thread(target=finish)
    thread.start()
    return thread


def test_while_the_loop_works_a_finished_call_rings(bell: tuple[Bell, "zmq.Socket[bytes]"]) -> None:
    found: list[bool] = []
    elsewhere(bell[0], found).join()
    assert found == [False]
    _, *frames = receive(bell[1])
    assert bell[0].is_ring(frames)
    assert list(bell[0].finished()) == [("job", (1,))]
    assert list(bell[0].finished()) == []


def test_while_the_loop_listens_the_thread_has_its_place_and_ends_the_wait(
    bell: tuple[Bell, "zmq.Socket[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instruments.bridge.bell._SOON_S", 5.0)
    found: list[bool] = []
    bell[0].attend()
    timer = threading.Timer(0.1, lambda: elsewhere(bell[0], found))
    timer.start()
    began = time.monotonic()
    bell[0].listen()
    assert found == [True]
    assert time.monotonic() - began < 4.0
    with bell[0].in_its_place() as mine:
        assert not mine


def test_a_knock_that_came_too_late_ends_no_later_wait(
    bell: tuple[Bell, "zmq.Socket[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instruments.bridge.bell._SOON_S", 0.2)
    bell[0]._do_knock()
    bell[0].attend()
    began = time.monotonic()
    bell[0].listen()
    assert time.monotonic() - began > 0.15
