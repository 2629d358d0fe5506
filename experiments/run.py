"""The same configuration as a plain Hydra application: `python -m experiments.run`.

For Hydra's own habits: `--multirun` with launcher plugins, `--cfg job`, `--info`, tab completion. Errors and exit
codes are those of `probewright run`; a traceback comes with HYDRA_FULL_ERROR=1.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra

from experiments.cli.exits import DONE, INTERRUPTED, USAGE, code_of, line

if TYPE_CHECKING:
    from omegaconf import DictConfig

FULL_ERROR = "HYDRA_FULL_ERROR"


class JobEnded(Exception):
    """A campaign that did not finish, with its exit code; it has said why."""

    def __init__(self, status: str, code: int) -> None:
        super().__init__(status, code)
        self.code = code


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")  # type: ignore[untyped-decorator]
def application(config: DictConfig) -> str:
    """One job: check the composed configuration, run the campaign, print its run folder and return it."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from experiments.cli.running import conducted, finished
    from experiments.config import from_plain
    from experiments.config.composing import resolved
    from experiments.config.sources import make_importable

    own = HydraConfig.get()
    make_importable([Path(source.path) for source in own.runtime.config_sources if source.schema == "file"])
    sweep_id = Path(own.sweep.dir).name if own.mode == RunMode.MULTIRUN else ""
    result = conducted(from_plain(resolved(config)), sweep_id=sweep_id)
    if finished(result) != DONE:
        raise JobEnded(result.status, result.exit_code)
    return str(result.folder)


def main() -> int:
    """Run the application; returns the exit code."""
    debug = os.environ.get(FULL_ERROR) == "1"
    os.environ[FULL_ERROR] = "1"  # Hydra would print its own traceback and exit with 1; so it raises instead
    try:
        sys.argv[1:] = _checked(sys.argv[1:])
        application()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _complain(error)
    return DONE


def _complain(error: Exception) -> int:
    from hydra.errors import HydraException

    if isinstance(error, JobEnded):
        return error.code
    if isinstance(error, HydraException):
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE
    print(f"error: {line(error).replace('--debug', f'{FULL_ERROR}=1')}", file=sys.stderr)
    return code_of(error)


def _checked(arguments: Sequence[str]) -> list[str]:
    """The arguments with their overrides looked at, and widened as `probewright run` does it."""
    from hydra._internal.utils import get_args_parser

    from experiments.config.overrides import prepared
    from experiments.config.sources import groups, user_dirs

    parsed = get_args_parser().parse_args(list(arguments))
    if parsed.shell_completion or parsed.config_name or parsed.config_path:
        return list(arguments)
    folders = user_dirs([Path(parsed.config_dir)] if parsed.config_dir else [])
    widened = prepared(parsed.overrides, groups(folders), sweep=parsed.multirun, hydra=True)
    if not (parsed.multirun or parsed.cfg or parsed.info or parsed.help or parsed.hydra_help):
        _compose_once(parsed.overrides, folders)
    table = dict(zip(parsed.overrides, widened, strict=True))
    return [table.get(argument, argument) for argument in arguments]


def _compose_once(overrides: Sequence[str], folders: Sequence[Path]) -> None:
    """Raise ConfigError before Hydra starts a job, which would add lines of its own."""
    from experiments.config import compose

    compose([text for text in overrides if not text.lstrip("+~").startswith("hydra")], folders)


if __name__ == "__main__":
    sys.exit(main())
