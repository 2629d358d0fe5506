"""`probewright doctor`: is everything a campaign needs there, and is it what was tested."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("agents", "environments", "instruments", "physics_priors", "experiments")
TESTED = ("torch", "botorch", "gpytorch", "gymnasium", "stable-baselines3", "mlflow", "hydra-core", "numpy", "numba")
EXTRAS = {
    "dev": "pytest",
    "io-em": "rosettasciio",
    "io-spm": "SciFiReaders",
    "launchers": "hydra-submitit-launcher",
    "offline": "minari",
}
NEEDED_BYTES = 200 * 2**20
DATA = "PROBEWRIGHT_DATA"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `wrong` makes the command fail, `note` is worth knowing."""

    mark: Literal["ok", "note", "wrong"]
    what: str
    said: str


def examine(runs: Path = Path("runs")) -> int:
    """Print all findings; 1 if anything is wrong, else 0."""
    found = []
    for finding in findings(runs):
        print(f"{finding.mark:<6} {finding.what:<18} {finding.said}", flush=True)
        found.append(finding)
    wrong = sum(finding.mark == "wrong" for finding in found)
    print("everything is in order" if not wrong else f"{wrong} of {len(found)} are wrong")
    return int(wrong > 0)


def findings(runs: Path) -> Iterator[Finding]:
    """All that is looked at, in the order in which it matters."""
    yield _python()
    for name in TESTED:
        yield version_of(name, tested_versions(CHECKOUT / "constraints.txt"))
    for name in PACKAGES:
        yield origin_of(name)
    for extra, distribution in EXTRAS.items():
        yield _extra(extra, distribution)
    yield runs_folder(runs)
    yield tracking_database(runs)
    yield _threads()
    yield data_folder()
    yield _git()


def tested_versions(constraints: Path) -> dict[str, str]:
    """The versions that a constraints file pins, by normalised name; empty where there is no file."""
    lines = constraints.read_text().splitlines() if constraints.exists() else []
    pinned = (line.split(";")[0].split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_normal(name): version.strip() for name, version in pinned}


def version_of(name: str, tested: dict[str, str]) -> Finding:
    """Whether a package is there, in the version that was tested; a local suffix (+cpu) does not matter."""
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("wrong", name, "is not installed: run `make install`")
    pinned = tested.get(_normal(name))
    if pinned is None or found.split("+")[0] == pinned:
        return Finding("ok", name, found if pinned else f"{found} (no version is pinned)")
    return Finding("note", name, f"{found}, tested with {pinned}")


def origin_of(package: str, checkout: Path = CHECKOUT) -> Finding:
    """Whether one of our packages is imported from this checkout, or another distribution's is found instead."""
    spec = find_spec(package)
    if spec is None:
        return Finding("wrong", package, "cannot be imported: run `make install`")
    places = [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin or ""]]
    others = sorted(set(_distributions().get(package, [])) - {"probewright"})
    if places != [checkout / package]:
        whose = f" (of {', '.join(others)})" if others else ""
        said = f"is imported from {places[0]}{whose}, which hides the one in {checkout}"
        return Finding("wrong", package, f"{said}: use an environment of its own, `make install`")
    if others:
        return Finding(
            "wrong", package, f"also comes with {', '.join(others)}: uninstall that, or use another environment"
        )
    return Finding("ok", package, str(places[0]))


def runs_folder(runs: Path) -> Finding:
    """Free space of the runs folder, and how long its disk takes to make a record durable."""
    place = next(folder for folder in (runs.absolute(), *runs.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    try:
        took = _fsync_ms(place)
    except OSError as error:
        return Finding("wrong", "runs folder", f"{place} cannot be written: {error.strerror}")
    said = f"{place}: {free / 2**30:.1f} GiB free, fsync takes {took:.2f} ms"
    if free < NEEDED_BYTES:
        return Finding("wrong", "runs folder", f"{said}; a campaign needs {NEEDED_BYTES / 2**20:.0f} MiB")
    return Finding("ok", "runs folder", said)


def tracking_database(runs: Path) -> Finding:
    """Whether the MLflow database of the runs folder, or the server of MLFLOW_TRACKING_URI, answers."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith(("http://", "https://")):
        return _server(uri)
    database = runs / "mlflow.db"
    if not database.exists():
        return Finding("ok", "tracking", f"no {database} yet; the first campaign makes it")
    try:
        connection = sqlite3.connect(f"file:{database.absolute()}?mode=ro", uri=True, timeout=2.0)
        try:
            (count,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding(
            "wrong", "tracking", f"{database} cannot be read ({error}): move it away, `probewright sync` refills it"
        )
    return Finding("ok", "tracking", f"{database}: {count} runs")


def data_folder() -> Finding:
    """Where recorded data is looked for."""
    named = os.environ.get(DATA)
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if folder.is_dir():
        return Finding("ok", "recorded data", str(folder))
    mark: Literal["wrong", "note"] = "wrong" if named else "note"
    return Finding(mark, "recorded data", f"not at {folder}; campaigns on recorded data need {DATA}=FOLDER")


@cache
def _distributions() -> Mapping[str, Sequence[str]]:
    return metadata.packages_distributions()


def _python() -> Finding:
    return Finding("ok", "python", f"{platform.python_version()} at {sys.executable}")


def _extra(extra: str, distribution: str) -> Finding:
    try:
        return Finding("ok", f"extra {extra}", f"{distribution} {metadata.version(distribution)}")
    except metadata.PackageNotFoundError:
        return Finding(
            "note", f"extra {extra}", f"not installed; add it with: pip install -c constraints.txt -e '.[{extra}]'"
        )


def _threads() -> Finding:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    given = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    return Finding("ok", "threads", f"{os.cpu_count()} cores; {', '.join(given) or 'no limit set in the environment'}")


def _git() -> Finding:
    from experiments.campaign.provenance import git_state

    state = git_state(CHECKOUT)
    if not state:
        return Finding("note", "git", f"{CHECKOUT} is no git checkout: runs will not know their commit")
    changes = "with uncommitted changes, which runs note but do not keep" if state["dirty"] else "clean"
    return Finding("note" if state["dirty"] else "ok", "git", f"{state['commit'][:12]}, {changes}")


def _server(uri: str) -> Finding:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=3.0):
            return Finding("ok", "tracking", f"{uri} answers")
    except (URLError, OSError, ValueError) as error:
        return Finding(
            "wrong", "tracking", f"{uri} does not answer ({error}); campaigns run on, `probewright sync` later"
        )


def _fsync_ms(folder: Path, times: int = 5) -> float:
    path = folder / f".probewright-doctor-{os.getpid()}"
    taken = []
    try:
        with path.open("wb") as file:
            for _ in range(times):
                file.write(b"0" * 4096)
                began = time.perf_counter()
                file.flush()
                os.fsync(file.fileno())
                taken.append(time.perf_counter() - began)
    finally:
        path.unlink(missing_ok=True)
    return sorted(taken)[times // 2] * 1e3


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
