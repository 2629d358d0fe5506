"""What `serve` and `serve keys` do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cli.exits import DONE

if TYPE_CHECKING:
    from instruments.bridge.settings import ServerSettings
    from instruments.seam import Instrument


def serve(
    overrides: Sequence[str],
    config_dirs: Sequence[Path],
    *,
    address: str,
    keys: Path | None,
    folder: Path | None,
    limits: Path | None,
    lease_s: float,
) -> int:
    """Serve the instrument that the overrides name until the end; prints the address first. Returns the exit code."""
    from instruments.bridge.limits_file import read_limits
    from instruments.bridge.settings import ServerSettings
    from instruments.guard import Limits

    allowed = Limits() if limits is None else read_limits(limits)
    settings = ServerSettings(address, keys, folder, allowed, lease_s)  # before anything is built: it may refuse
    return _serve(instrument_of(overrides, config_dirs), settings)


def instrument_of(overrides: Sequence[str], config_dirs: Sequence[Path]) -> Instrument:
    """The instrument of a configuration, built alone; raises ConfigError."""
    from experiments.config import compose
    from experiments.config.checking import Checker
    from experiments.config.composing import make
    from experiments.config.errors import ConfigError
    from instruments.seam import Instrument

    chosen = compose(overrides, config_dirs).instrument
    instrument = Checker(make).component(chosen, "instrument")
    if not isinstance(instrument, Instrument):
        raise ConfigError(f"instrument._target_={chosen['_target_']!r} is not an Instrument")
    return instrument


def make_keys(given: Sequence[str]) -> int:
    """`keys FOLDER NAME...`: the server's keys, once, and a file for each client; prints what was made."""
    from experiments.config.errors import ConfigError
    from instruments.bridge.keys import make_client_keys, make_server_keys

    if not given:
        raise ConfigError("say where the keys shall lie: probewright serve keys FOLDER NAME...")
    folder = Path(given[0])
    if not (folder / "server.json").exists():
        print(make_server_keys(folder))
    for name in given[1:]:
        print(make_client_keys(folder, name))
    return DONE


def _serve(instrument: Instrument, settings: ServerSettings) -> int:
    from instruments.bridge.server import Server
    from instruments.warming import warm

    warm(instrument, lambda words: print(words, file=sys.stderr, flush=True))
    server = Server(instrument, settings)
    print(f"{instrument.describe().name} at {server.address}", flush=True)
    server.heed_signals()
    server.run()
    return DONE
