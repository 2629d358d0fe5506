"""`python -m instruments.probe my_driver:make` reads an instrument and sets nothing: the first thing to do at a site.

It needs a driver with `readings`, as those over `instruments.column` have. Everything is read twice; what differs
between the two is marked.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from instruments.errors import InstrumentError, NotSupported


class Readable(Protocol):
    """An instrument that can be read without being set."""

    def readings(self) -> dict[str, Any]:
        """What it tells of itself, by name."""
        ...


def read_each(asks: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """What every one of these answers; an error in its place, and nothing where it is not supported."""
    found = {}
    for name, ask in asks.items():
        try:
            found[name] = ask()
        except NotSupported:
            continue
        except Exception as error:  # a vendor's software may raise anything
            found[name] = f"cannot be read: {type(error).__name__}: {error}"
    return found


def lines(instrument: Readable) -> list[str]:
    """One line for each reading."""
    first, second = instrument.readings(), instrument.readings()
    return [f"{name} = {value}{_then(value, second.get(name))}" for name, value in first.items()]


def _then(one: Any, other: Any) -> str:
    return "" if str(one) == str(other) else f", then {other}: it differs between two readings"


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where it could be reached, 2 where it could not, or has no `readings`."""
    parser = argparse.ArgumentParser(prog="python -m instruments.probe", description=__doc__)
    parser.add_argument("target", help="say instruments.templates.autoscript:make")
    target = parser.parse_args(arguments).target
    module, _, name = target.partition(":")
    try:
        print("\n".join(lines(getattr(importlib.import_module(module), name)())))
    except (InstrumentError, ImportError, AttributeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
