"""What the server carried out, on its own disk: it outlives the server, so that a restart exposes nothing twice.

An append-only file of msgpack records, begun before and settled after every command, each fsynced; results lie beside
it, one file each. A torn record at the end, of a killed server, is left out. A twin needs none: its world dies with
the process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack

from instruments.cost import Cost
from instruments.errors import DataInvalid
from instruments.measurement import Measurement, measurement_from_plain, measurement_to_plain
from instruments.requests import Request, from_plain, to_plain


class Ledger:
    """Commands by id: begun, then settled with what they cost and, where there is one, a result."""

    def __init__(self, folder: Path) -> None:
        self._results = folder / "results"
        self._results.mkdir(parents=True, exist_ok=True)
        self._begun: dict[str, tuple[Request, Cost]] = {}
        self._settled: dict[str, bool] = {}
        path = folder / "commands.msgpack"
        whole = self._read(path) if path.exists() else 0
        self._file = path.open("ab")
        self._file.truncate(whole)

    def begin(self, id: str, request: Request, worst: Cost) -> None:
        """Note, on disk, that a command is about to be carried out."""
        self._begun[id] = (request, worst)
        self._settled.pop(id, None)
        self._append({"begun": id, "request": to_plain(request), "worst": worst.as_dict()})

    def settle(self, id: str, cost: Cost, measurement: Measurement | None) -> None:
        """Note what a command cost, and keep its result."""
        if measurement is not None:
            self._write(self._path(id), msgpack.packb(measurement_to_plain(measurement)))
        self._note_settled(id, cost, measurement is not None)
        self._append({"settled": id, "cost": cost.as_dict(), "result": measurement is not None})

    def result(self, id: str) -> Measurement | None:
        """The measurement of a command that was carried out, also before a restart; raises DataInvalid if damaged."""
        if not self._settled.get(id):
            return None
        try:
            return measurement_from_plain(msgpack.unpackb(self._path(id).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataInvalid(f"the result of {id} is damaged on the server's disk: {error}") from None

    def bookings(self) -> Iterator[tuple[str, Request, Cost]]:
        """(id, request, cost) of all that was ever begun; what was never settled counts at its worst."""
        for id, (request, cost) in self._begun.items():
            yield id, request, cost

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, path: Path) -> int:
        """Take in the records of a file; how many of its bytes are whole records."""
        whole = 0
        with path.open("rb") as file:
            unpacker = msgpack.Unpacker(file, raw=False)
            try:
                for record in unpacker:
                    self._take_in(record)
                    whole = unpacker.tell()
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataInvalid(f"{path} is damaged: {error}") from None
        return whole

    def _take_in(self, record: Any) -> None:
        if "begun" in record:
            self._begun[record["begun"]] = (from_plain(record["request"]), Cost.of(record["worst"]))
            self._settled.pop(record["begun"], None)
        else:
            self._note_settled(record["settled"], Cost.of(record["cost"]), bool(record["result"]))

    def _note_settled(self, id: str, cost: Cost, result: bool) -> None:
        self._begun[id] = (self._begun[id][0], cost)
        self._settled[id] = result

    def _append(self, record: dict[str, Any]) -> None:
        self._file.write(msgpack.packb(record))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _path(self, id: str) -> Path:
        return self._results / (hashlib.sha256(id.encode()).hexdigest() + ".msgpack")

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
