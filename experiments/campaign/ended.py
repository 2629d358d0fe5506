"""Why a campaign ends, said truthfully."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Status = Literal["finished", "interrupted", "failed", "refused"]
EndedBy = Literal["steps", "seconds", "electrons", "task", "guard", "interrupted", "failed"]


class Ended(Exception):
    """Raised where a campaign cannot or need not go on; not an error by itself."""

    def __init__(self, status: Status, ended_by: EndedBy, message: str) -> None:
        super().__init__(message)
        self.status, self.ended_by, self.message = status, ended_by, message


@dataclass(frozen=True)
class Result:
    """How a campaign ended, and where what it left is."""

    folder: Path
    status: Status
    ended_by: EndedBy
    message: str

    @property
    def exit_code(self) -> int:
        """0 finished, 1 failed, 3 refused by the guard, 130 interrupted."""
        return {"finished": 0, "failed": 1, "refused": 3, "interrupted": 130}[self.status]
