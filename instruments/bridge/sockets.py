"""Whole messages through a socket, without waiting; written out because a ping is half made of these lines."""

from __future__ import annotations

import time
from typing import Any

import zmq

from instruments.bridge.wire import Frames

_NOW = int(zmq.NOBLOCK)
_MORE = int(zmq.SNDMORE) | _NOW
_EVENTS, _CAN_READ = int(zmq.EVENTS), int(zmq.POLLIN)
_SMALL = 2**20
"""Handing a frame over without copying it costs a turn of another thread: more than copying what is smaller."""


def send(socket: zmq.Socket[Any], frames: Frames) -> None:
    """Send a message or raise zmq.ZMQError at once; frames of _SMALL bytes and more are not copied."""
    *leading, last = frames
    for frame in leading:
        socket.send(frame, _MORE, copy=len(frame) < _SMALL)
    socket.send(last, _NOW, copy=len(last) < _SMALL)


def receive(socket: zmq.Socket[Any], flags: int = 0) -> list[zmq.Frame]:
    """The frames of a message; raises zmq.Again where none comes in the socket's time, or at once with NOBLOCK."""
    frame = socket.recv(flags, copy=False)
    frames = [frame]
    while frame.more:
        frame = socket.recv(copy=False)
        frames.append(frame)
    return frames


def wait_awake(socket: zmq.Socket[Any], seconds: float) -> None:
    """Until a message can be read or `seconds` are over, without going to sleep; no other thread gets a turn."""
    until_s = time.monotonic() + seconds
    while not can_read(socket) and time.monotonic() < until_s:
        pass


def can_read(socket: zmq.Socket[Any]) -> bool:
    """Whether a message waits."""
    return bool(socket.getsockopt(_EVENTS) & _CAN_READ)  # type: ignore[operator]
