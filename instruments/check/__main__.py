"""`python -m instruments.check module:Class` runs the suite over an instrument, or over a core as one."""

from __future__ import annotations

import argparse
import importlib
import sys

from instruments.check.bench import check
from instruments.embedded import Embedded


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where every check passes or does not apply, 1 where one fails, 2 on a name that is none."""
    parser = argparse.ArgumentParser(prog="python -m instruments.check", description=__doc__)
    parser.add_argument("target", help="say instruments.twins.flat:Flat; it is built without arguments")
    target = parser.parse_args(arguments).target
    module, _, name = target.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        parser.error(f"{target!r} cannot be built: {error}")
    report = check(Embedded(made) if hasattr(made, "begin") else made)
    print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
