"""Follow a journal while it is written, until its campaign lets go or dies."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from experiments.tracking.projector import Projector, folder_lock
from experiments.tracking.retry import one_line, pauses_s

POLL_S = 0.3
PATIENCE_S = 5.0
"""How long an unreachable MLflow is asked again once the campaign is over."""
COMPLETE, BEHIND = 0, 75
"""Exit codes; 75 is EX_TEMPFAIL: try again later."""

_log = logging.getLogger("probewright.tracking")


class Campaign:
    """The process we belong to. It is over when it closes our standard input, dies, or we are told to stop."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: self._over.set())

    def is_over(self) -> bool:
        """Whether it has let go of us; a child that inherited our input cannot hide its death."""
        return self._over.is_set() or os.getppid() != self._pid

    def wait(self, seconds: float) -> None:
        """Wait, but not past its end."""
        self._over.wait(seconds)

    def _watch(self) -> None:
        # os.read, for a buffered read holds a lock that the interpreter needs when it ends
        while os.read(0, 1024):
            pass
        self._over.set()


def follow(folder: Path, uri: str, experiment: str, campaign: Campaign) -> int:
    """Project until the campaign is over and everything has arrived; returns the exit code."""
    with _only_one(folder, campaign) as alone:
        if not alone:
            return BEHIND
        return _follow(Projector(folder, uri, experiment), campaign)


def _follow(projector: Projector, campaign: Campaign) -> int:
    pauses, failing_since = pauses_s(), None
    while True:
        over = campaign.is_over()  # asked first: what was journalled before the end is then read below
        try:
            projector.catch_up(live=not over)
            if over:
                projector.upload()
            projector.note_error("")
            if over:
                return COMPLETE
            pauses, failing_since = pauses_s(), None
            campaign.wait(POLL_S)
        except Exception as error:
            now = time.monotonic()
            failing_since = (failing_since or now) if over else None
            _note(projector, error)
            if failing_since is not None and now - failing_since > PATIENCE_S:
                return BEHIND
            _pause(min(next(pauses), 1.0) if over else next(pauses), over, campaign)


def _pause(seconds: float, over: bool, campaign: Campaign) -> None:
    if over:
        time.sleep(seconds)
    else:
        campaign.wait(seconds)


def _note(projector: Projector, error: Exception) -> None:
    said = one_line(error)
    _log.warning("%s", said, exc_info=said != projector.state.error)
    try:
        projector.note_error(said)
    except OSError as full:
        _log.warning("the state cannot be written: %s", full)


@contextmanager
def _only_one(folder: Path, campaign: Campaign) -> Iterator[bool]:
    """Wait for another projector of this folder (an earlier campaign process dying, a `sync`) to leave."""
    lock = folder_lock(folder)
    since_over = None
    while True:
        try:
            with lock.acquire(timeout=0.5):
                yield True
                return
        except filelock.Timeout:
            if campaign.is_over():
                since_over = since_over or time.monotonic()
                if time.monotonic() - since_over > PATIENCE_S:
                    yield False
                    return
