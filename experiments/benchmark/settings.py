"""What `probewright benchmark` is asked for: a suite, where its cells run, who is told; composed from `conf/`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.benchmark.executors import Executor
from experiments.benchmark.suite import Entry, Suite
from experiments.config import ConfigError, Tracking, build, compose
from experiments.config.checking import Checker
from experiments.config.composing import Root, compose_config, make, resolved
from experiments.config.settings import Node
from experiments.config.signatures import TARGET

SUITE = tuple(f.name for f in dataclasses.fields(Suite))
OTHERS = ("executor", "tracking", "runs")
ROOT = Root("benchmark", ("suite", "executor", "tracking"), (*SUITE, *OTHERS))

_OVERRIDES = re.compile(r"(\+{0,2}(?:policies\.[\w-]+|tasks\.[\w-]+\.overrides)=)\[(.*)\]", re.DOTALL)


@dataclass(frozen=True)
class BenchmarkSettings:
    """A suite, the executor of its cells, who is told, and the folder that its own folder lies in."""

    suite: Suite
    executor: Node
    tracking: Tracking = field(default_factory=Tracking)
    runs: Path = Path("runs")


def compose_benchmark(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> BenchmarkSettings:
    """The settings that `conf/benchmark.yaml`, the users' folders and the overrides give; raises ConfigError."""
    plain = resolved(compose_config([_quoted(text) for text in overrides], config_dirs, ROOT))
    own = {name: plain.pop(name) for name in OTHERS if name in plain}
    suite = Checker().dataclass(plain, Suite, "")
    settings: BenchmarkSettings = Checker().dataclass({"suite": suite, **own}, BenchmarkSettings, "")
    if TARGET not in settings.executor:
        raise ConfigError(f"executor names no class: choose one with executor=NAME, or give executor.{TARGET}")
    if not re.fullmatch(r"[\w.-]+", suite.name):
        raise ConfigError(f"name={suite.name!r} names a folder: use letters, digits, '_', '-' and '.' only")
    return settings


def build_executor(settings: BenchmarkSettings) -> Executor:
    """The executor; raises ConfigError where it cannot be made."""
    executor: Executor = Checker(make).component(settings.executor, "executor")
    if not callable(getattr(executor, "rows", None)):
        raise ConfigError(f"executor.{TARGET}={settings.executor[TARGET]!r} is not an Executor")
    return executor


def without_absent(suite: Suite, config_dirs: Sequence[Path] = ()) -> tuple[Suite, Mapping[str, str]]:
    """The suite without the optional tasks that cannot be built here, and why each was left out.

    Raises ConfigError where no task is left.
    """
    why = {name: reason for name, task in suite.tasks.items() if (reason := _absent(suite, task, config_dirs))}
    tasks = {name: task for name, task in suite.tasks.items() if name not in why}
    if not tasks:
        raise ConfigError("; ".join(f"task {name} is left out: {reason}" for name, reason in why.items()))
    return dataclasses.replace(suite, tasks=tasks), why


def _absent(suite: Suite, task: Entry, config_dirs: Sequence[Path]) -> str:
    """Why an optional task cannot be built here; empty where it can."""
    if not task.optional:
        return ""
    settings = compose([f"campaign={task.campaign}", "agent=random", *task.overrides], config_dirs)
    try:
        build(settings).instrument.close()
    except ConfigError as error:
        from instruments.errors import InstrumentError

        cause = error.__cause__
        causes = (cause, cause.__cause__) if cause is not None else ()
        if any(isinstance(c, InstrumentError | FileNotFoundError | ModuleNotFoundError) for c in causes):
            return str(error)
        raise
    return ""


def _quoted(text: str) -> str:
    """`policies.mine=[agent=x]` with its overrides in quotes, which Hydra's grammar wants and nobody wants to type."""
    found = _OVERRIDES.fullmatch(text)
    if found is None:
        return text
    return f"{found[1]}[{','.join(map(_in_quotes, _parts(found[2])))}]"


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas that lie in no bracket and no quotes."""
    depth, quote, part = 0, "", ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            yield part.strip()
            part = ""
            continue
        part += letter
    if part.strip():
        yield part.strip()


def _in_quotes(part: str) -> str:
    if part[:1] in "'\"":
        return part
    escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{escaped}"'


def plain(settings: BenchmarkSettings) -> dict[str, Any]:
    """Plain values, for the record."""
    return {**dataclasses.asdict(settings), "runs": str(settings.runs)}
