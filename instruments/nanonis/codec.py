"""Bytes of the Nanonis TCP protocol: big-endian, headers of 40 bytes, an error trailer after every answer's values.

Types: H h I i f d as in `struct`; s text, its size before it; S a list of texts (bytes in all, count, then each with
its size); [f, [i a list with its count; 2f rows, columns and numbers; n a count, and =f, =i, =I lists of that many.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from instruments.errors import DataInvalid

HEADER = 40
_LONGEST = 2**28


class Reader:
    """Takes values off a body, one after the other; raises DataInvalid where it ends too early."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at, self._count = body, 0, 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._body) - self._at

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if not 0 <= size <= self.left:
            raise DataInvalid(f"a body of {len(self._body)} bytes ends before {size} more that were announced")
        self._at += size
        return self._body[self._at - size : self._at]

    def value(self, kind: str) -> Any:
        """The next value of a type."""
        if kind == "s":
            return self.take(self.value("i")).decode("utf-8", "replace")
        if kind == "S":
            self.value("i")  # bytes in all: the sizes of the items say the same
            return [self.value("s") for _ in range(self._checked(self.value("i")))]
        if kind == "2f":
            rows, columns = self.value("i"), self.value("i")
            return self._numbers("f", self._checked(rows) * self._checked(columns)).reshape(rows, columns)
        if kind[0] == "[":
            return self._numbers(kind[1], self._checked(self.value("i")))
        if kind == "n":
            self._count = self._checked(self.value("i"))
            return self._count
        if kind[0] == "=":
            return self._numbers(kind[1], self._count)
        return struct.unpack(">" + kind, self.take(struct.calcsize(">" + kind)))[0]

    def values(self, kinds: str) -> list[Any]:
        """The next values, of types separated by spaces."""
        return [self.value(kind) for kind in kinds.split()]

    def _numbers(self, kind: str, count: int) -> np.ndarray[Any, Any]:
        dtype = np.dtype(">" + {"f": "f4", "i": "i4", "I": "u4"}[kind])
        return np.frombuffer(self.take(count * 4), dtype).astype(dtype.newbyteorder("="))

    @staticmethod
    def _checked(count: int) -> int:
        if not 0 <= count <= _LONGEST:
            raise DataInvalid(f"a count of {count}")
        return count


def body_of(kinds: str, values: Sequence[Any]) -> bytes:
    """The bytes of values; raises DataInvalid where they do not fit their types."""
    named = kinds.split()
    if len(named) != len(values):
        raise DataInvalid(f"{len(values)} values for the types {kinds!r}")
    try:
        return b"".join(map(_bytes, named, values))
    except (struct.error, TypeError, ValueError, OverflowError) as error:
        raise DataInvalid(f"{values!r} do not fit the types {kinds!r}: {error}") from None


def _bytes(kind: str, value: Any) -> bytes:
    if kind == "s":
        text = str(value).encode()
        return struct.pack(">i", len(text)) + text
    if kind == "S":
        items = b"".join(_bytes("s", item) for item in value)
        return struct.pack(">ii", len(items), len(value)) + items
    if kind == "2f":
        table = np.asarray(value, ">f4")
        return struct.pack(">ii", *table.shape) + table.tobytes()
    if kind[0] == "[":
        return struct.pack(">i", len(value)) + _list(kind[1], value)
    if kind[0] == "=":
        return _list(kind[1], value)
    return struct.pack(">" + ("i" if kind == "n" else kind), value)


def _list(kind: str, value: Any) -> bytes:
    return np.asarray(value, ">" + {"f": "f4", "i": "i4", "I": "u4"}[kind]).tobytes()


def request_header(name: str, size: int, answer: bool = True) -> bytes:
    """The 40 bytes before a request's body."""
    return name.encode().ljust(32, b"\0") + struct.pack(">IHH", size, int(answer), 0)


def answer_header(name: bytes, size: int) -> bytes:
    """The 40 bytes before an answer's body; `name` is the request's, padded."""
    return name + struct.pack(">II", size, 0)


def parse_header(header: bytes) -> tuple[str, int, bool]:
    """Command, size of the body and, in a request, whether an answer is wanted; raises DataInvalid."""
    size, wanted = struct.unpack(">IH", header[32:38])
    if size > _LONGEST:
        raise DataInvalid(f"a body of {size} bytes")
    return header[:32].rstrip(b"\0").decode("ascii", "replace"), size, bool(wanted)


def trailer(error: str = "") -> bytes:
    """What ends every answer: status, size of the description, description."""
    said = error.encode()
    return struct.pack(">Ii", int(bool(error)), len(said)) + said
