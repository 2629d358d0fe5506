"""Arrays from a Tiled server, by its HTTP interface, version 1: a description in JSON, then the bytes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

from instruments.errors import ConnectionLost, DataInvalid, HardwareFault

_MOST_BYTES = 512 * 2**20
_LOOK_S = 0.1
_ORDER = {"little": "<", "big": ">", "not_applicable": "|"}


def read_array(uri: str, path: tuple[str, ...], timeout_s: float) -> NDArray[Any]:
    """The array at a path of keys; one that is not there yet is waited for.

    Raises DataInvalid where there is none after `timeout_s`, or only a part of one; ConnectionLost without a server.
    """
    where = "/".join(quote(key, safe="") for key in path)
    until = time.monotonic() + timeout_s
    while (about := _get(f"{uri}/api/v1/metadata/{where}", "application/json", timeout_s)) is None:
        if time.monotonic() > until:
            raise DataInvalid(f"{uri} has no {'/'.join(path)} after {timeout_s:g} s")
        time.sleep(_LOOK_S)
    dtype, shape = _structure(about)
    full = f"{uri}/api/v1/array/full/{where}?format=application/octet-stream"
    content = _get(full, "application/octet-stream", timeout_s)
    if content is None or len(content) != dtype.itemsize * math.prod(shape):
        raise DataInvalid(f"{'/'.join(path)}: {len(content or b'')} bytes came for {shape} of {dtype}")
    return np.frombuffer(content, dtype).reshape(shape)


def _structure(about: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of a small enough array of numbers; raises DataInvalid for whatever else it is."""
    try:
        structure: Mapping[str, Any] = json.loads(about)["data"]["attributes"]["structure"]
        kind, shape = structure["data_type"], tuple(int(n) for n in structure["shape"])
        dtype = np.dtype(f"{_ORDER[kind['endianness']]}{kind['kind']}{int(kind['itemsize'])}")
    except (KeyError, TypeError, ValueError) as error:
        raise DataInvalid(f"what Tiled describes is no array: {type(error).__name__} {error}") from None
    if dtype.kind not in "iuf" or not 0 < dtype.itemsize * math.prod(shape) <= _MOST_BYTES:
        raise DataInvalid(f"an array {shape} of {dtype} is none of ours")
    return dtype, shape


def _get(url: str, accept: str, timeout_s: float) -> bytes | None:
    """What is there; None where there is nothing (yet)."""
    try:
        with urlopen(Request(url, headers={"Accept": accept}), timeout=timeout_s) as answer:
            content: bytes = answer.read(_MOST_BYTES + 1)
            return content
    except HTTPError as error:
        error.close()
        if error.code == 404:
            return None
        raise HardwareFault(f"{url} was answered with {error.code} {error.reason}") from None
    except TimeoutError:
        raise HardwareFault(f"{url} was not answered within {timeout_s:g} s") from None
    except (URLError, OSError, HTTPException) as error:
        raise ConnectionLost(f"{url}: {error}") from None
