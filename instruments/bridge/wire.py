"""Messages on the wire: one msgpack header with a version, then raw array frames.

Requests and replies are plain values; a NumPy array among them leaves the header and follows as a frame of its own
(small ones stay inside, as bytes). Nothing that is read can name code: no pickle, no class, only numbers, text, bytes,
lists, mappings and arrays of numbers. Whatever else comes raises Malformed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, List, NamedTuple, Union  # noqa: UP035 (aliases are run, and Python 3.8 shall run them)

import msgpack
import numpy as np

VERSION = 2
INSIDE_BYTES = 4096
"""Arrays up to this size travel inside of the header."""
HEADER_BYTES = 4 * 2**20
MOST_FRAMES = 256
MOST_DIMENSIONS = 16
_IN_FRAME, _IN_HEADER = 1, 2
_KINDS = "biufcU"
_COMMON = {name: np.dtype(name) for name in ("<f4", "<f8", "<i4", "<i8", "<u1", "<u2", "|u1", "|b1")}
"""Number types that need not be looked at again."""
REPLIES = ("result", "error", "progress", "parts")
_LONGEST_NAME = 256

Frames = List[Any]  # noqa: UP006
Buffer = Union[bytes, bytearray, memoryview]  # noqa: UP007


class Malformed(ValueError):
    """A message that is none of this protocol; the text says what is wrong with it."""


class Call(NamedTuple):
    """What a client asks: operation, who asks, the number of the request, and its arguments.

    session is 16 random bytes of the client; deadline_s counts from the arrival, so that no two clocks are compared.
    """

    op: str
    session: bytes
    seq: int
    lease: bytes = b""
    deadline_s: float | None = None
    body: Mapping[str, Any] = {}


class Reply(NamedTuple):
    """What a server says: the number of the call, which life of the server says it, and a value of some kind."""

    seq: int
    boot: bytes
    kind: str
    value: Any


def pack(value: Any) -> Frames:
    """The header of a plain value, and a frame for every large array in it."""
    frames: Frames = [b""]

    def outside(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            return _array_out(item, frames)
        if isinstance(item, np.generic):
            return item.item()
        raise TypeError(f"{type(item).__name__} cannot travel")

    frames[0] = msgpack.packb(value, default=outside)
    return frames


def unpack(frames: Sequence[Any]) -> Any:
    """The plain value of header and frames (zmq's or bytes); arrays view the frames. Raises Malformed."""
    if not 1 <= len(frames) <= MOST_FRAMES:
        raise Malformed(f"{len(frames)} frames; 1 to {MOST_FRAMES} make a message")
    header = _buffer(frames[0])
    if len(header) > HEADER_BYTES:
        raise Malformed(f"a header of {len(header)} bytes; at most {HEADER_BYTES}")

    def inside(code: int, data: bytes) -> Any:
        return _array_in(code, data, frames)

    try:
        return msgpack.unpackb(header, ext_hook=inside)
    except Malformed:
        raise
    except Exception as error:  # msgpack has a dozen ways to say that bytes are not its own
        raise Malformed(f"the header is no msgpack of plain values: {type(error).__name__}: {error}") from None


def pack_call(call: Call) -> Frames:
    """The frames of a call: its header is [version, op, session, seq, lease, deadline_s, body]."""
    return pack([VERSION, call.op, call.session, call.seq, call.lease, call.deadline_s, call.body])


def unpack_call(frames: Sequence[Any]) -> Call:
    """The call of a message; raises Malformed with what does not fit the schema."""
    op, session, seq, lease, deadline_s, body = _checked(unpack(frames), 7)
    if not (type(op) is str and len(op) <= _LONGEST_NAME):
        raise Malformed("op must be text")
    if not (type(session) is bytes and len(session) == 16):
        raise Malformed("session must be 16 bytes")
    if not (type(seq) is int and 0 < seq < 2**63):
        raise Malformed("seq must be a positive whole number")
    if not (type(lease) is bytes and len(lease) in (0, 16)):
        raise Malformed("lease must be 16 bytes, or empty")
    if deadline_s is not None and not (type(deadline_s) in (int, float) and 0 < deadline_s < 1e9):
        raise Malformed("deadline_s must be a positive number of seconds")
    if type(body) is not dict:
        raise Malformed("body must be a mapping")
    return Call(op, session, seq, lease, deadline_s, body)


def pack_reply(seq: int, boot: bytes, kind: str, value: Any) -> Frames:
    """The frames of a reply; kind says what the value is: result, error, progress, or parts of a large result."""
    return pack([VERSION, seq, boot, kind, value])


def unpack_reply(frames: Sequence[Any]) -> Reply:
    """The reply of a message; raises Malformed."""
    seq, boot, kind, value = _checked(unpack(frames), 5)
    if type(seq) is not int or type(boot) is not bytes or kind not in REPLIES:
        raise Malformed("a reply without number, boot or kind")
    return Reply(seq, boot, kind, value)


def numbers_out(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    """A list of numbers as number type and bytes, which travels in half the time; large ones as the array they are."""
    if array.nbytes > INSIDE_BYTES or array.ndim != 1 or array.dtype.kind not in _KINDS:
        return (array,)
    return array.dtype.str, array.tobytes()


def numbers_in(first: Any, data: Any = None) -> np.ndarray[Any, Any]:
    """The inverse of `numbers_out`; raises Malformed."""
    if data is None:
        return first  # type: ignore[no-any-return]
    dtype = _dtype(first)
    if type(data) is not bytes or len(data) % dtype.itemsize:
        raise Malformed(f"numbers of {dtype} need bytes, {dtype.itemsize} for each")
    return np.frombuffer(data, dtype).copy()


def _checked(header: Any, length: int) -> Any:
    """What follows the version in a header of `length` values."""
    if type(header) is not list or not header:
        raise Malformed("the header is no list of values")
    if header[0] != VERSION:
        raise Malformed(f"protocol version {header[0]!r}; this end speaks version {VERSION}")
    if len(header) != length:
        raise Malformed(f"a header of {len(header)} values; this one has {length}")
    return header[1:]


def _buffer(frame: Any) -> Buffer:
    return getattr(frame, "buffer", frame)  # type: ignore[no-any-return]


def _array_out(array: np.ndarray[Any, Any], frames: Frames) -> msgpack.ExtType:
    dtype = array.dtype
    if dtype.kind not in _KINDS:
        raise TypeError(f"arrays of {dtype} cannot travel")
    if array.nbytes <= INSIDE_BYTES or len(frames) >= MOST_FRAMES - 1:
        return msgpack.ExtType(_IN_HEADER, msgpack.packb((dtype.str, array.shape, array.tobytes())))
    frames.append(_bytes_of(array))
    return msgpack.ExtType(_IN_FRAME, msgpack.packb((dtype.str, array.shape, len(frames) - 1)))


def _bytes_of(array: np.ndarray[Any, Any]) -> memoryview:
    """The bytes of an array, where it lies as it travels without a copy."""
    if array.flags.c_contiguous and array.dtype.char in "bBhHiIlLqQfd" and array.dtype.isnative:
        return array.data.cast("B")
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _array_in(code: int, data: bytes, frames: Sequence[Any]) -> np.ndarray[Any, Any]:
    if code not in (_IN_FRAME, _IN_HEADER):
        raise Malformed(f"extension {code} is none of this protocol")
    described = msgpack.unpackb(data)
    if type(described) is not list or len(described) != 3:
        raise Malformed("an array needs dtype, shape and bytes")
    name, shape, source = described
    dtype = _dtype(name)
    if code == _IN_FRAME:
        if type(source) is not int or not 1 <= source < len(frames):
            raise Malformed(f"an array in frame {source!r} of {len(frames)}")
        source = _buffer(frames[source])
    elif type(source) is not bytes:
        raise Malformed("an array whose bytes are none")
    if (expected := dtype.itemsize * _elements(shape)) != len(source):
        raise Malformed(f"an array of shape {shape} and {dtype} needs {expected} bytes, {len(source)} came")
    array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, source)
    return array.copy() if code == _IN_HEADER else array


def _dtype(name: Any) -> np.dtype[Any]:
    if type(name) is str and name in _COMMON:
        return _COMMON[name]
    if not (isinstance(name, str) and 3 <= len(name) <= 8 and name[0] in "<>|=" and name[1] in _KINDS):
        raise Malformed(f"arrays of {name!r} are not accepted")
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError):
        raise Malformed(f"arrays of {name!r} are not accepted") from None
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise Malformed(f"arrays of {name!r} are not accepted")
    return dtype


def _elements(shape: Any) -> int:
    """How many elements an array has; raises Malformed where its shape is none."""
    if type(shape) is not list or len(shape) > MOST_DIMENSIONS:
        raise Malformed("a shape must be a list of sides")
    elements = 1
    for side in shape:
        if type(side) is not int or not 0 <= side < 2**40:
            raise Malformed(f"a shape of {shape!r}")
        elements *= side
    return elements
