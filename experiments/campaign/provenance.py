"""What a run must record to be repeated: versions, machine, threads, git state, hash of the configuration."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "probewright",
    "numpy",
    "scipy",
    "numba",
    "torch",
    "botorch",
    "gpytorch",
    "gymnasium",
    "hydra-core",
    "mlflow",
)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def versions() -> dict[str, str]:
    """Version of Python and of every package that can change a number; '-' where it is not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def machine() -> dict[str, Any]:
    """What else can change the last bit of a number: processor and threads."""
    threads = {name: os.environ.get(name, "") for name in THREADS}
    return {"processor": processor(), "system": platform.system(), "cores": os.cpu_count(), **threads}


def git_state(folder: Path) -> dict[str, Any]:
    """Commit and whether the checkout has uncommitted changes; empty where it is no git checkout.

    Looked up once a process, whose code is that of its start.
    """
    return dict(_git_state(folder))


@cache
def _git_state(folder: Path) -> Mapping[str, Any]:
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def config_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for each entry that is not the same in both."""
    names = sorted(set(before) | set(now))
    return [f"{n} {before.get(n)} -> {now.get(n)}" for n in names if before.get(n) != now.get(n)]


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


@cache
def processor() -> str:
    """The processor's model, as the operating system names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
