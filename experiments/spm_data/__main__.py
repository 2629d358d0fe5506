"""`python -m experiments.spm_data NAME`: analyse a recorded set, print the numbers, write them and a picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from experiments.spm_data.sets import NAMES, analyse, data_folder


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 when all that was asked for was analysed."""
    from instruments.errors import InstrumentError

    parser = argparse.ArgumentParser(prog="python -m experiments.spm_data", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, "all"), help="the recorded set")
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder that holds the sets")
    parser.add_argument("--out", type=Path, default=Path("spm_data"), help="folder for NAME.json and NAME.png")
    asked = parser.parse_args(arguments)
    failed = 0
    for name in NAMES if asked.name == "all" else (asked.name,):
        try:
            findings = analyse(name, asked.data)
        except (InstrumentError, FileNotFoundError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += 1
            continue
        print(f"{name}: {findings.says}")
        for what, value in findings.numbers.items():
            print(f"  {what:42} {value:.6g}")
        print("  " + str(findings.write(asked.out)[1]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
