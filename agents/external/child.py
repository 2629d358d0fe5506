"""A child process that answers each line with one line, and never outlives whoever started it.

It runs in a process group of its own, which is killed as a whole. A shell waits on a pipe beside it: when the parent
dies, in whatever way, the pipe closes and the shell kills the group, even if the child is stuck.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import IO

from agents.protocol import AgentError

log = logging.getLogger(__name__)

GRACE_S = 0.5
"""How long a child may take to leave by itself once its standard input is closed."""
LONGEST_BYTES = 1 << 26
"""Longest line that is taken for an answer."""
_WATCH = 'read _; kill -s KILL -- "-$0"'


class Child:
    """The process; what it writes to standard error is logged, the last lines are quoted when it dies."""

    def __init__(self, command: Sequence[str]) -> None:
        self.name = shlex.join(command)
        self._words: deque[str] = deque(maxlen=50)
        self._rest = b""
        self.ended = False
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
            )
        except OSError as error:
            raise AgentError(f"the policy {self.name!r} cannot be started: {error.strerror}") from error
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, str(self._process.pid)],
            stdin=pipe,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        for stream in (self._stdin, self._stdout):
            os.set_blocking(stream.fileno(), False)
        self._listener = threading.Thread(target=_listen, args=(self._process.stderr, self._words), daemon=True)
        self._listener.start()

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def ask(self, message: bytes, what: str, timeout_s: float) -> bytes:
        """Send a line and return the next line; raises AgentError where there is none in time, and kills the child."""
        until = time.monotonic() + timeout_s
        try:
            self._send(message, until)
            return self._receive(until)
        except TimeoutError:
            self.end(grace_s=0.0)
            raise AgentError(
                f"the policy {self.name!r} did not answer {what!r} within {timeout_s:g} s and was ended"
            ) from None
        except (EOFError, BrokenPipeError):
            raise AgentError(self._death(what)) from None
        except OverflowError:
            self.end(grace_s=0.0)
            raise AgentError(f"the policy {self.name!r} answered {what!r} without end and was ended") from None

    def _send(self, message: bytes, until: float) -> None:
        left = memoryview(message)
        while left:
            _wait(self._stdin, select.POLLOUT, until)
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._stdin.fileno(), left[: select.PIPE_BUF]) :]

    def _receive(self, until: float) -> bytes:
        while b"\n" not in self._rest:
            _wait(self._stdout, select.POLLIN, until)
            with contextlib.suppress(BlockingIOError):
                said = os.read(self._stdout.fileno(), 1 << 16)
                if not said:
                    raise EOFError
                self._rest += said
            if len(self._rest) > LONGEST_BYTES:
                raise OverflowError
        answer, _, self._rest = self._rest.partition(b"\n")
        return answer

    def _death(self, what: str) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        how = _how(self._process.poll())
        self.end()
        self._listener.join(GRACE_S)
        last = next((words for words in reversed(self._words) if words.strip()), "")
        return f"the policy {self.name!r} {how} before it answered {what!r}" + (f": {last.strip()}" if last else "")

    def end(self, grace_s: float = GRACE_S) -> None:
        """Close its standard input, wait a moment, then kill what is left of its group; may be called twice."""
        self.ended = True
        with contextlib.suppress(OSError):
            self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        self._watch.kill()
        self._watch.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stdout.close()
        assert self._watch.stdin
        self._watch.stdin.close()


def _wait(stream: IO[bytes], event: int, until: float) -> None:
    poll = select.poll()
    poll.register(stream, event)
    left = until - time.monotonic()
    if left <= 0 or not poll.poll(1e3 * left):
        raise TimeoutError


def _how(code: int | None) -> str:
    if code is None:
        return "closed its standard output"
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _listen(stream: IO[bytes], words: deque[str]) -> None:
    for raw in stream:
        text = raw.decode(errors="replace").rstrip()
        words.append(text)
        log.info("%s", text)
    stream.close()
