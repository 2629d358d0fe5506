"""Where the YAML lies: the checkout's `conf/` and the folders a user adds, and what groups they hold."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

from experiments.config.errors import ConfigError, unknown
from experiments.config.settings import CampaignSettings

CAMPAIGN_GROUPS = ("campaign", *(field.name for field in dataclasses.fields(CampaignSettings)))

Groups = Mapping[str, Sequence[str]]
"""The options of every group, by its name; the root's own files are not a group."""


def conf_dir() -> Path:
    """The checkout's `conf/`; raises ConfigError where the packages were installed without it."""
    folder = Path(__file__).resolve().parents[2] / "conf"
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"no configuration at {folder}: install from a checkout with `pip install -e .`")
    return folder


def user_dirs(given: Sequence[Path]) -> list[Path]:
    """The folders of `--config-dir`, absolute; raises ConfigError on one that is not there or hides a file of ours."""
    folders = [folder.expanduser().resolve() for folder in given]
    ours = _options(conf_dir())
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"--config-dir {folder}: there is no such folder")
        for group, option in _options(folder) & ours:
            raise ConfigError(f"{folder / group / option}.yaml has the name of one of probewright's own: rename it")
    return folders


def groups(folders: Sequence[Path] = (), named: Collection[str] = CAMPAIGN_GROUPS) -> Groups:
    """The groups of `conf/` and of the users' `folders` together that are `named`: those of a campaign.

    Other folders of `conf/` (suites, say) belong to other commands, and are no keys of a campaign.
    """
    found: dict[str, set[str]] = {}
    for folder in (conf_dir(), *folders):
        for group, option in _options(folder):
            if group in named:
                found.setdefault(group, set()).add(option)
    return {group: sorted(options) for group, options in sorted(found.items())}


def check_option(group: str, option: str, known: Groups) -> None:
    """Raise ConfigError where a group has no such option."""
    if option.removesuffix(".yaml") not in known[group]:
        raise ConfigError(unknown(group, option, known[group], listed_as="there are"))


def make_importable(folders: Sequence[Path]) -> None:
    """Let a `_target_` name a user's module in the present folder or in one of `--config-dir`.

    They go last, so that a file there never hides an installed package.
    """
    for folder in (Path.cwd(), *folders):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


@cache
def _options(folder: Path) -> frozenset[tuple[str, str]]:
    files = (path.relative_to(folder) for path in folder.glob("*/**/*.yaml"))
    return frozenset((path.parent.as_posix(), path.stem) for path in files)
