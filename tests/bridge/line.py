"""A line between this machine and a network namespace, whose packets can be lost, delayed, doubled and overtaken."""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time

NEAR, FAR = "10.203.77.1", "10.203.77.2"
_TUNSETIFF, _TUN_WITHOUT_HEADER = 0x400454CA, 0x0001 | 0x1000


def missing() -> str:
    """Why there can be no such line here; empty where there can."""
    if os.name != "posix" or not shutil.which("ip"):
        return "there is no ip command: network namespaces cannot be made"
    name = f"pwtry{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "network namespaces cannot be made here: root is needed"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return "" if os.access("/dev/net/tun", os.W_OK) else "/dev/net/tun cannot be used here"


class Line:
    """Packets go from end to end as `loss`, `twice`, `late` (shares) and `delay_s` say; `whole` False is a cut."""

    def __init__(self, seed: int) -> None:
        self.loss = self.twice = self.late = self.delay_s = 0.0
        self.whole = True
        self.carried = self.lost = self.doubled = self.held = 0
        self.space = f"pw{os.getpid()}"
        self._random, self._order = random.Random(seed), itertools.count()
        _run("ip", "netns", "add", self.space)
        self._ends = (self._device(f"pwa{os.getpid()}", None), self._device(f"pwb{os.getpid()}", self.space))
        self._due: list[tuple[float, int, int, bytes]] = []
        self._over = False
        self._thread = threading.Thread(target=self._relay)
        self._thread.start()

    def close(self) -> None:
        """Take the line and the namespace away."""
        self._over = True
        self._thread.join()
        for end in self._ends:
            os.close(end)
        _run("ip", "netns", "del", self.space)

    def _device(self, name: str, space: str | None) -> int:
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
        inside = [] if space is None else ["-n", space]
        if space is not None:
            _run("ip", "link", "set", name, "netns", space)
        mine, theirs = (NEAR, FAR) if space is None else (FAR, NEAR)
        _run("ip", *inside, "addr", "add", mine, "peer", theirs, "dev", name)
        _run("ip", *inside, "link", "set", name, "up")
        return end

    def _relay(self) -> None:
        while not self._over:
            wait_s = min(0.05, max(0.0, self._due[0][0] - time.monotonic())) if self._due else 0.05
            for end in select.select(self._ends, [], [], wait_s)[0]:
                self._take(os.read(end, 65536), self._ends[1 - self._ends.index(end)])
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, sink, packet = heapq.heappop(self._due)
                os.write(sink, packet)

    def _take(self, packet: bytes, sink: int) -> None:
        if not self.whole or self._random.random() < self.loss:
            self.lost += 1
            return
        self.carried += 1
        copies = 2 if self._random.random() < self.twice else 1
        self.doubled += copies - 1
        for _ in range(copies):
            held_s = 0.02 if self._random.random() < self.late else 0.0  # others overtake it
            self.held += held_s > 0
            heapq.heappush(self._due, (time.monotonic() + self.delay_s + held_s, next(self._order), sink, packet))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
