"""`python -m instruments.tango.probe ADDRESS...` reads Tango devices and sets nothing: the first thing to do at a site.

It prints every command by name, and every attribute with its value, unit, limits and whether it can be written, read
twice: what differs between the two is marked. No command is called.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from instruments.errors import InstrumentError
from instruments.tango.device import Device


def probed(device: Device) -> list[str]:
    """What a device tells, one line for each attribute and command."""
    lines = [device.address]
    for name in device.attributes():
        lines.append("  " + _attribute(device, name))
    lines += [f"  command {name}" for name in device.commands()]
    return lines


def _attribute(device: Device, name: str) -> str:
    try:
        limits, first, second = device.limits(name), device.read(name), device.read(name)
        kind = "writable" if device.writable(name) else "read only"
    except InstrumentError as error:
        return f"{name}: cannot be read: {error}"
    differs = "" if _same(first, second) else f", then {second}: it differs between two readings"
    return f"{name} = {first}{differs} ({limits}, {kind})"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, (float, np.ndarray)):
        return bool(np.array_equal(one, other, equal_nan=True))
    return bool(np.all(one == other))


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where every device answered, 2 where one did not."""
    parser = argparse.ArgumentParser(prog="python -m instruments.tango.probe", description=__doc__)
    parser.add_argument("address", nargs="+", help="say tango://host:port/domain/family/member#dbase=no")
    parser.add_argument("--timeout-s", type=float, default=5.0)
    options = parser.parse_args(arguments)
    code = 0
    for address in options.address:
        try:
            print("\n".join(probed(Device(address, options.timeout_s))))
        except InstrumentError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
    return code


if __name__ == "__main__":
    sys.exit(main())
