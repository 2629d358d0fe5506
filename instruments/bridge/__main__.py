"""`python -m instruments.bridge module:Class` serves an instrument with pyzmq, msgpack and NumPy alone, no Hydra."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from instruments.bridge.keys import make_client_keys, make_server_keys
from instruments.bridge.limits_file import read_limits
from instruments.bridge.server import Server
from instruments.bridge.settings import ServerSettings
from instruments.errors import InstrumentError
from instruments.guard import Limits
from instruments.seam import Instrument


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after a served instrument was closed, 2 where it cannot be served; the address is printed."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["keys"]:
        return keys(given[1:])
    options = _parser().parse_args(given)
    try:
        instrument = made(options.target)
        server = Server(instrument, _settings(options))
    except (InstrumentError, ImportError, AttributeError, TypeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(server.address, flush=True)
    server.heed_signals()
    server.run()
    return 0


def keys(given: list[str]) -> int:
    """`keys FOLDER NAME...`: the server's keys where there are none yet, and a file for every client named."""
    if not given:
        print("error: say keys FOLDER NAME...", file=sys.stderr)
        return 2
    folder = Path(given[0])
    try:
        if not (folder / "server.json").exists():
            print(make_server_keys(folder))
        for name in given[1:]:
            print(make_client_keys(folder, name))
    except (InstrumentError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def made(target: str) -> Instrument:
    """The instrument that `module:name` makes without arguments; a twin's core becomes one."""
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)()
    if hasattr(found, "begin"):
        from instruments.embedded import Embedded
        from instruments.warming import warm

        twin = Embedded(found)
        warm(twin, lambda words: print(words, file=sys.stderr, flush=True))
        return twin
    return found  # type: ignore[no-any-return]


def _settings(options: argparse.Namespace) -> ServerSettings:
    return ServerSettings(
        address=options.address,
        keys=options.keys,
        folder=options.folder,
        limits=Limits() if options.limits is None else read_limits(options.limits),
        lease_s=options.lease_s,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m instruments.bridge", description=__doc__)
    parser.add_argument("target", help="say my_driver:make; or: keys FOLDER NAME...")
    parser.add_argument("--address", default="tcp://127.0.0.1:5555")
    parser.add_argument("--keys", type=Path, help="folder that `keys` made; needed for any address but loopback")
    parser.add_argument("--folder", type=Path, help="audit log and ledger; the file `stop` in it ends the server")
    parser.add_argument("--limits", type=Path, help="JSON file with the server's own limits")
    parser.add_argument("--lease-s", type=float, default=5.0, help="silence of the client after which it is made safe")
    return parser


if __name__ == "__main__":
    sys.exit(main())
