"""`python -m benchmarks ID...`: measures the named figures and prints one JSON line each."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is first imported; what a campaign's process uses

import argparse
import difflib
import json
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from benchmarks import latest, machine
from benchmarks.registry import Figure, Measured, figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all were measured, 1 when one failed, 2 for an unknown id or none."""
    parser = _parser()
    options = parser.parse_args(arguments)
    known = figures()
    if options.list:
        for figure in known.values():
            print(f"{figure.id}  [{figure.unit}]  {figure.summary}")
        return 0
    wanted = list(known) if options.all else options.ids
    if not wanted:
        print(f"{parser.format_usage().strip()}; known figures: {', '.join(known)}", file=sys.stderr)
        return 2
    for id in wanted:
        if id not in known:
            print(_unknown(id, known), file=sys.stderr)
            return 2
    failed = sum(
        not _measure(known[id]) for id in wanted
    )  # one that fails does not keep the others from being measured
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures named figures.")
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--list", action="store_true", help="say which figures there are")
    parser.add_argument("--all", action="store_true", help="measure every figure")
    return parser


def _unknown(id: str, known: dict[str, Figure]) -> str:
    near = difflib.get_close_matches(id, known, n=3, cutoff=0.4)
    return f"no figure is called {id!r}; " + (f"nearest: {', '.join(near)}" if near else "see --list")


def _measure(figure: Figure) -> bool:
    try:
        measured = figure.measure()
    except Exception:
        traceback.print_exc()
        print(f"{figure.id} could not be measured", file=sys.stderr)
        return False
    line = _line(figure, measured)
    print(json.dumps(line), flush=True)
    _keep(line)
    return True


def _keep(line: dict[str, Any]) -> None:
    latest.record(line, machine.fingerprint())


def _line(figure: Figure, measured: Measured) -> dict[str, Any]:
    limits = {} if measured.limit is None else {"limit": measured.limit, "within": measured.within}
    return {
        "id": figure.id,
        "value": measured.value,
        "unit": figure.unit,
        "reference": measured.reference,
        "ratio": measured.ratio,
        "compared": measured.compared,
        "threads": measured.threads,
        "details": {**limits, **measured.details},
    }


if __name__ == "__main__":
    sys.exit(main())
