"""Payloads as bytes: msgpack, with arrays, requests, costs and measurements kept bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgpack
import numpy as np

from instruments.cost import Cost
from instruments.measurement import (
    Measurement,
    array_from_plain,
    array_to_plain,
    measurement_from_plain,
    measurement_to_plain,
)
from instruments.requests import Request, from_plain, to_plain

_TAG = "__is__"


def encode(payload: Mapping[str, Any]) -> bytes:
    """A payload as bytes; raises TypeError on a value of a kind the journal does not hold."""
    return bytes(msgpack.packb(payload, default=_encode, use_bin_type=True))


def decode(data: bytes) -> dict[str, Any]:
    """The payload that `encode` wrote."""
    plain: dict[str, Any] = msgpack.unpackb(data, object_hook=_decode, strict_map_key=False)
    return plain


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {_TAG: "array", "of": array_to_plain(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Measurement):
        return {_TAG: "measurement", "of": measurement_to_plain(value)}
    if isinstance(value, Request):
        return {_TAG: "request", "of": to_plain(value)}
    if isinstance(value, Cost):
        return {_TAG: "cost", "of": asdict(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"the journal cannot hold a {type(value).__name__}")


_DECODERS = {
    "array": array_from_plain,
    "measurement": measurement_from_plain,
    "request": from_plain,
    "cost": Cost.of,
}


def _decode(plain: dict[str, Any]) -> Any:
    tag = plain.get(_TAG)
    return plain if tag is None else _DECODERS[tag](plain["of"])
