"""Calls of temscript's HTTP interface, version 1, in JSON (its other format, pickle, is never accepted)."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from instruments.errors import ConnectionLost, DataInvalid, HardwareFault, NotSupported

_JSON = "application/json"
_MOST_BYTES = 512 * 2**20


class Connection:
    """A server that answers one call at a time; every call has a connection of its own, so that any thread may call."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._host, self._port = host, port

    def get(self, name: str) -> Any:
        """The value of `get_<name>`."""
        return self._call("GET", name)

    def put(self, name: str, value: Any) -> None:
        """Have `set_<name>` called; what became of it must be read back."""
        self._call("PUT", name, json.dumps(value).encode())

    def acquire(self, detector: str, timeout_s: float) -> NDArray[Any]:
        """A frame; raises DataInvalid where none came."""
        found = self._call("GET", f"acquire?detectors={quote(detector)}", timeout_s=timeout_s)
        if not isinstance(found, dict) or detector not in found:
            raise DataInvalid(f"no frame of {detector!r} came: is there such a detector?")
        return _array(found[detector])

    def _call(self, method: str, name: str, body: bytes | None = None, timeout_s: float | None = None) -> Any:
        where = f"temscript at {self._host}:{self._port}"
        connection = HTTPConnection(self._host, self._port, timeout=timeout_s or self.timeout_s)
        try:
            connection.request(method, f"/v1/{name}", body, {"Accept": _JSON, "Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            content = answer.read(_MOST_BYTES)
        except TimeoutError:
            raise HardwareFault(f"{where} has not answered {name} in time") from None
        except (OSError, HTTPException) as error:
            raise ConnectionLost(f"{where} did not answer {name}: {error}") from None
        finally:
            connection.close()
        if answer.status == 404:
            raise NotSupported(f"{where} knows no {name}: {answer.reason}")
        if answer.status not in (200, 204):
            raise HardwareFault(f"{where} refused {name}: {answer.reason}")
        return None if answer.status == 204 else _decoded(answer, content, name)


def _decoded(answer: Any, content: bytes, name: str) -> Any:
    if answer.getheader("Content-Type") != _JSON:
        raise DataInvalid(f"{name} was answered in {answer.getheader('Content-Type')!r}, not in JSON")
    if len(content) != int(answer.getheader("Content-Length", len(content))):
        raise DataInvalid(f"only a part of {name} came")
    try:
        return json.loads(gzip.decompress(content) if answer.getheader("Content-Encoding") == "gzip" else content)
    except (OSError, ValueError, EOFError) as error:
        raise DataInvalid(f"the answer to {name} is damaged: {error}") from None


def _array(packed: Mapping[str, Any]) -> NDArray[Any]:
    """Height, width, type, byte order and base64; raises DataInvalid."""
    try:
        order = {"LITTLE": "<", "BIG": ">"}[packed["endianness"]]
        dtype = np.dtype(order + np.dtype(str(packed["type"]).lower()).str[1:])
        if packed["encoding"] != "BASE64" or dtype.kind not in "iuf":
            raise ValueError(f"{packed['encoding']} of {dtype}")
        data = base64.b64decode(packed["data"], validate=True)
        return np.frombuffer(data, dtype).reshape(int(packed["height"]), int(packed["width"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataInvalid(f"an array that is none: {error}") from None
