"""Shell completion of overrides (groups, their options, keys) and of run folders, without loading Hydra."""

from __future__ import annotations


def complete_override(incomplete: str) -> list[str]:
    """`ag` -> `agent=`, `agent=s` -> `agent=sobol`, `budget.` -> its keys."""
    from experiments.config.errors import ConfigError
    from experiments.config.overrides import KEYS
    from experiments.config.sources import groups

    try:
        known = groups()
    except ConfigError:
        return []
    group, equals, _ = incomplete.partition("=")
    if equals:
        return _starting([f"{group}={option}" for option in known.get(group, ())], incomplete)
    return _starting([*(f"{name}=" for name in sorted({*KEYS, *known})), *_nested()], incomplete)


def complete_run(incomplete: str) -> list[str]:
    """Run folders in `runs/`."""
    from experiments.cli.folders import RUNS, runs_in

    return _starting([str(run) for run in reversed(runs_in(RUNS))], incomplete)


def _nested() -> list[str]:
    """The keys of the settings that are not components."""
    import dataclasses

    from experiments.config.settings import CampaignSettings

    sections = [
        (f.name, f.default_factory)
        for f in dataclasses.fields(CampaignSettings)
        if dataclasses.is_dataclass(f.default_factory)
    ]
    return [f"{name}.{inner.name}=" for name, cls in sections for inner in dataclasses.fields(cls)]  # type: ignore[arg-type]


def _starting(words: list[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
