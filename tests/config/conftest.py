"""A user's own folder of configuration: a module with components, and YAML that names them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE = """
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from physics_priors.bounds import Bounds


class Kernel(Protocol):
    def run(self) -> None: ...


@dataclass(frozen=True)
class Film:
    pixels: Annotated[int, Bounds("pixels", 1, 64)] = 16
    mode: Literal["fast", "careful"] = "fast"
    window_nm: tuple[Annotated[float, Bounds("nm", 0.0)], Annotated[float, Bounds("nm", 0.0)]] = (1.0, 2.0)

    def run(self) -> None: ...


class Bench:
    def __init__(self, core: Kernel, *, pace: Annotated[float, Bounds("", 0.0, 1.0)] = 0.0, log: Path | None = None):
        self.core, self.pace, self.log = core, pace, log


class Wish:
    def __init__(self, films: list[Film] = (), note: str = "", loud: bool = False, table: Mapping[str, float] = {}):
        self.films, self.note, self.loud, self.table = films, note, loud, table


class Chooser:
    def __init__(self, beta: Annotated[float, Bounds("", 0.0, 100.0)] = 2.0, film: Film | None = None):
        if beta == 13.0:
            raise ValueError("beta 13 brings bad luck")
        self.beta, self.film = beta, film


number = 3
"""

FILES = {
    "instrument/bench.yaml": "_target_: lab_parts.Bench\ncore:\n  _target_: lab_parts.Film\n  pixels: 32\n",
    "task/wish.yaml": "_target_: lab_parts.Wish\n",
    "scenario/quiet.yaml": "name: matched\n",
    "agent/chooser.yaml": "_target_: lab_parts.Chooser\nbeta: 1\n",
    "agent/absent.yaml": "_target_: no_such_module.Agent\n",
    "agent/misnamed.yaml": "_target_: lab_parts.Choser\n",
    "agent/number.yaml": "_target_: lab_parts.number\n",
    "agent/damaged.yaml": "_target_: [lab_parts.Chooser\n",
    "agent/dangling.yaml": "_target_: lab_parts.Chooser\nbeta: ${nowhere.to.go}\n",
    "agent/open.yaml": "_target_: lab_parts.Chooser\nbeta: ???\n",
    "agent/untargeted.yaml": "beta: 2.0\n",
    "agent/shell.yaml": "_target_: os.system\ncommand: touch owned\n",
}


@pytest.fixture(autouse=True)
def own_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget afterwards what a user's folder made importable."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("lab_parts", None)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """The folder, to be given as `--config-dir`."""
    folder = tmp_path / "lab, it's mine"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "lab_parts.py").write_text(MODULE)
    return folder
