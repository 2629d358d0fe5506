"""A twin behind the Nanonis protocol, as an instrument: driver, wire, server and twin in one process."""

from __future__ import annotations

from typing import Annotated

from instruments.capabilities import Capabilities
from instruments.errors import HardwareFault
from instruments.nanonis.controller import Controller
from instruments.nanonis.driver import Nanonis
from instruments.nanonis.server import NanonisServer
from instruments.seam import Instrument
from physics_priors.bounds import Bounds


class NanonisTwin(Nanonis):
    """The driver, connected to a server of its own on loopback; any client of the protocol may connect to `port` too.

    The server starts with the first question. Its instrument cannot be reset from here: it is a controller's sample.
    """

    def __init__(
        self,
        over: Instrument,
        port: Annotated[int, Bounds("", 0, 65535)] = 6501,
        *,
        clamp_V: Annotated[float, Bounds("V", 0.0, 1000.0, open_low=True)] = 10.0,
        clamp_pixels: Annotated[int, Bounds("pixels", 1, 65536)] = 4096,
        timeout_s: Annotated[float, Bounds("s", 0.0, 3600.0, open_low=True)] = 30.0,
        bias_limit_V: Annotated[float, Bounds("V", 0.0, 1000.0, open_low=True)] = 9.0,
        approach_s: Annotated[float, Bounds("s", 0.0, 3600.0)] = 60.0,
    ) -> None:
        """`port` 0 takes any that is free. What goes beyond clamp_V and clamp_pixels is clamped without a word."""
        super().__init__(port=port, timeout_s=timeout_s, bias_limit_V=bias_limit_V, approach_s=approach_s)
        self._over, self._clamp_V, self._clamp_pixels = over, clamp_V, clamp_pixels
        self._server: NanonisServer | None = None

    @property
    def port(self) -> int:
        """Where the protocol is spoken, once it is."""
        return self._port

    def close(self) -> None:
        super().close()
        if self._server is not None:
            self._server.close()
            self._server = None

    def _connect(self) -> Capabilities:
        if self._server is None:
            try:
                self._server = NanonisServer(Controller(self._over, self._clamp_V, self._clamp_pixels), self._port)
            except OSError as error:
                raise HardwareFault(f"port {self._port} cannot be used ({error}): choose another, or 0") from None
            self._port = self._server.port
        return super()._connect()
