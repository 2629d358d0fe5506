"""The other end of the bridge: a served instrument as an `Instrument`, a served twin as a `Twin`."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket as network
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import zmq

from instruments.bridge.link import Link, Progress
from instruments.bridge.spoken import LeaseLost, Sent, capabilities_from_plain, measurement_from_wire
from instruments.capabilities import Capabilities
from instruments.cost import Cost
from instruments.errors import Closed, ConnectionLost, InstrumentError, NotSupported
from instruments.measurement import Measurement
from instruments.requests import Request, to_plain
from instruments.seam import Stop
from physics_priors.bounds import Bounds

log = logging.getLogger(__name__)
_GIVE_BACK_S = 2.0


class RemoteInstrument:
    """An instrument at another address; it is connected to when first asked for something.

    The first command that acts takes the lease, and heartbeats keep it. A lease that was lost (silence, another
    writer) is not taken again: the server made the instrument safe, and whoever goes on opens a new connection.
    A served twin looks like a real instrument from here: it cannot be reset (`RemoteTwin` can).
    """

    def __init__(
        self,
        address: str = "tcp://127.0.0.1:5555",
        keys: Path | None = None,
        *,
        name: str = "",
        patience_s: Annotated[float, Bounds("s", 0.0, 3600.0, open_low=True)] = 10.0,
        deadline_s: Annotated[float, Bounds("s", 0.0, open_low=True)] | None = None,
    ) -> None:
        """`keys` is the client's key file; a server that is silent for `patience_s` is lost.

        An acquisition that is not done `deadline_s` after it was sent is ended by the server, which makes safe.
        """
        self._name = name or f"{network.gethostname()}"[:90]
        self._deadline_s = deadline_s
        self._link = Link(address, None if keys is None else Path(keys), patience_s)
        self._connecting = threading.RLock()
        self._known: Capabilities | None = None
        self._served: Mapping[str, Any] = {}
        self._sent: Sent | None = None
        self._lease, self._boot = b"", b""
        self._lost = ""
        self._closing = threading.Event()
        self._beating: threading.Thread | None = None

    def describe(self) -> Capabilities:
        known = self._connected()
        return dataclasses.replace(known, episodes=False)

    def price(self, request: Request) -> Cost:
        self._connected()
        return Cost.of(self._link.call("price", {"request": to_plain(request)}))

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        self._hold()
        self._sent = Sent(request, to_plain(request))
        body = {"id": id, "request": self._sent.plain}
        return self._read(self._act("acquire", body, deadline_s=self._deadline_s, stop=stop))

    def lookup(self, id: str) -> Measurement | None:
        self._connected()
        found = self._link.call("lookup", {"id": id})
        return None if found is None else self._read(found)

    def make_safe(self) -> None:
        """Make it safe, also as the first thing that is asked of it.

        A server that cannot be reached does so by itself when it hears nothing, which is logged.
        """
        if self._closing.is_set():
            return
        try:
            self._connect_soon()
            self._link.call("make_safe", lease=self._lease)
        except ConnectionLost as error:
            log.warning("make_safe was not answered, the server does it when the lease ends: %s", error)

    def close(self) -> None:
        """Give the lease back, upon which the server makes the instrument safe, and end the connection."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._beating is not None:
            self._beating.join()
        if self._lease and not self._lost:
            self._link.patience_s = min(self._link.patience_s, _GIVE_BACK_S)
            with contextlib.suppress(InstrumentError):
                self._link.call("release", lease=self._lease)
        self._link.close()

    def _connect_soon(self) -> None:
        """Connect where that was not done, to a server that answers at once."""
        if self._known is None:
            patience_s, self._link.patience_s = self._link.patience_s, min(self._link.patience_s, _GIVE_BACK_S)
            try:
                self._connected()
            finally:
                self._link.patience_s = patience_s

    def _read(self, plain: Mapping[str, Any]) -> Measurement:
        """A measurement; a request that is the last one over again is not built over again."""
        measurement = measurement_from_wire(plain, self._sent)
        if self._sent is None or measurement.request is not self._sent.request:
            self._sent = Sent(measurement.request, plain["request"])
        return measurement

    def tell_progress(self, progress: Progress) -> None:
        """Have `progress` told (bytes received, bytes in all) while large results come in."""
        self._link.progress = progress

    def ping(self) -> Mapping[str, Any]:
        """Whether the server answers: what runs, who holds the lease; also while the instrument is busy."""
        self._connected()
        return dict(self._link.call("ping"))

    def _connected(self) -> Capabilities:
        if self._closing.is_set():
            raise Closed(f"the connection to {self._link.address} was closed: open a new one")
        if self._known is not None:
            return self._known
        with self._connecting:
            if self._known is None:
                self._served = self._link.greet(self._name)
                self._check(self._served)
                self._known = capabilities_from_plain(self._link.call("describe"))
            return self._known

    def _check(self, served: Mapping[str, Any]) -> None:
        """Raise NotSupported where what is served is not what is wanted."""

    def _hold(self) -> None:
        """Take the lease, once."""
        self._connected()
        with self._connecting:
            if self._lost:
                raise LeaseLost(self._lost)
            if self._lease:
                return
            taken = self._link.call("lease")
            self._lease, self._boot = taken["lease"], self._link.boot or b""
            every_s = float(taken["lease_s"]) / 5
            self._beating = threading.Thread(target=self._beat, args=(every_s,), name="bridge-beat", daemon=True)
            self._beating.start()

    def _act(self, op: str, body: Mapping[str, Any], **how: Any) -> Any:
        boot = self._boot
        try:
            return self._link.call(op, body, lease=self._lease, boot=boot, **how)
        except LeaseLost as error:
            self._lost = self._lost or str(error)
            raise
        except ConnectionLost:
            self._look_for_restart(boot)
            raise

    def _beat(self, every_s: float) -> None:
        boot = self._boot
        while not self._closing.wait(every_s) and self._boot == boot:
            try:
                self._link.call("beat", lease=self._lease, boot=boot)
            except LeaseLost as error:
                self._lost = str(error)
                return
            except ConnectionLost as error:
                log.warning("no heartbeat: %s", error)
                self._look_for_restart(boot)
            except (InstrumentError, zmq.ZMQError):
                return  # it was closed meanwhile

    def _look_for_restart(self, boot: bytes) -> None:
        with self._connecting:
            if self._link.boot not in (None, boot) and self._boot == boot:
                log.warning("the server at %s was started anew", self._link.address)
                self._started_anew()

    def _started_anew(self) -> None:
        """The server lives another life: its ledger knows what was carried out, and the next command takes a lease."""
        self._lease, self._boot = b"", b""


class RemoteTwin(RemoteInstrument):
    """A served twin: as `RemoteInstrument`, with fresh samples, snapshots and truth. Raises NotSupported else."""

    _gone = ""

    def describe(self) -> Capabilities:
        return self._connected()

    def reset(self, seed: int, scenario: Mapping[str, Any]) -> None:
        self._hold()
        self._act("reset", {"seed": int(seed), "scenario": dict(scenario)})

    def snapshot(self) -> Mapping[str, Any]:
        self._connected()
        return dict(self._link.call("snapshot"))

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        self._hold()
        self._act("restore", {"snapshot": dict(snapshot)})

    def truth(self) -> Mapping[str, Any]:
        self._hold()
        return dict(self._act("truth", {}))

    def _connected(self) -> Capabilities:
        if self._gone:
            raise ConnectionLost(f"{self._gone}: resume the campaign")
        return super()._connected()

    def _started_anew(self) -> None:
        super()._started_anew()
        self._gone = f"the server at {self._link.address} was started anew, and the twin's world is gone"

    def _check(self, served: Mapping[str, Any]) -> None:
        if not served.get("twin"):
            raise NotSupported(f"{served.get('instrument')} is no twin: use instrument=remote, which asks for no reset")
