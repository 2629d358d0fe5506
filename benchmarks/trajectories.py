"""What two runs must share to be the same campaign, bit for bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.campaign.journal import Reader, open_reader
from experiments.campaign.journal.codec import encode
from instruments.requests import to_plain

Comparable = tuple[str, int, bytes]


def trajectory(folder: Path) -> list[Comparable]:
    """Decisions, fates of commands and outcomes in order, as bytes; clock times and the campaign's id left out."""
    with open_reader(folder / "journal.sqlite") as reader:
        id = str(reader.meta()["campaign_id"])
        kinds = ("decision", "result", "failed", "refused", "outcome")
        order = {kind: rank for rank, kind in enumerate(kinds)}
        found = [(e.kind, e.step, encode(_bare(e.payload, id))) for e in reader.events(kinds=kinds)]
    return sorted(found, key=lambda item: (item[1], order[item[0]]))


def final_state(folder: Path) -> tuple[bytes, bytes]:
    """The twin's last snapshot and the agent's last belief, as bytes."""
    with open_reader(folder / "journal.sqlite") as reader:
        result, model = reader.last("result"), reader.last("model")
    assert result is not None
    return encode({"snapshot": result.payload["snapshot"]}), encode(model.payload if model else {})


def measured_twice(folder: Path) -> list[str]:
    """Ids of commands that have more than one result; must be empty."""
    with open_reader(folder / "journal.sqlite") as reader:
        return [id for id, count in _fates(reader).items() if count > 1]


def _fates(reader: Reader) -> Counter[str]:
    return Counter(e.payload["id"] for e in reader.events(kinds=("result", "failed")))


def _bare(payload: Mapping[str, Any], campaign_id: str) -> dict[str, Any]:
    bare = {name: value for name, value in payload.items() if name != "decide_s"}
    if "id" in bare:
        bare["id"] = bare["id"].removeprefix(campaign_id)
    if (measurement := bare.get("measurement")) is not None:
        channels = {name: [c.values, c.unit] for name, c in measurement.channels.items()}
        bare["measurement"] = {
            "request": to_plain(measurement.request),
            "channels": channels,
            "cost": measurement.cost.as_dict(),
            "complete": measurement.complete,
            "position_nm": measurement.position_nm,
            "state": dict(measurement.state),
        }
    return bare
