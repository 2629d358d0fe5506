"""How an instrument is served: where, with which keys and limits, and how long silence and hanging may last."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from instruments.errors import DataInvalid
from instruments.guard import Limits

_LOOPBACK = re.compile(r"tcp://(127\.\d+\.\d+\.\d+|localhost|\[::1\]):(\d+|\*)$|ipc://.+$")


@dataclass(frozen=True)
class ServerSettings:
    """What a server is started with; raises DataInvalid where another machine could connect without keys.

    keys is the folder that `serve keys` made; folder holds audit log and ledger; the server ends when the file `stop`
    is in it. A request may take `watchdog_factor` times its price and `watchdog_s` more; then the instrument is made
    safe, and a call that hangs for `hang_s` after that is given up.
    """

    address: str = "tcp://127.0.0.1:5555"
    keys: Path | None = None
    folder: Path | None = None
    limits: Limits = field(default_factory=Limits)
    lease_s: float = 5.0
    watchdog_factor: float = 3.0
    watchdog_s: float = 30.0
    hang_s: float = 5.0
    chunk_bytes: int = 4 * 2**20
    frame_bytes: int = 64 * 2**20
    """A client that sends a larger frame is cut off."""
    kept_bytes: int = 256 * 2**20
    """Replies kept for clients that ask again."""

    def __post_init__(self) -> None:
        said = []
        for name in ("lease_s", "watchdog_factor", "watchdog_s", "hang_s", "chunk_bytes", "frame_bytes", "kept_bytes"):
            if not getattr(self, name) > 0:
                said.append(f"{name} must be positive")
        if self.keys is None and not _LOOPBACK.match(self.address):
            said.append(
                f"{self.address} can be reached from elsewhere: give keys (probewright serve keys FOLDER NAME makes "
                "them), or serve tcp://127.0.0.1:PORT"
            )
        if said:
            raise DataInvalid("; ".join(said))
