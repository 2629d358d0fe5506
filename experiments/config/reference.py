"""docs/configuration.md: every key with type, range, unit and default, read from the dataclasses and signatures."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from experiments.config.checking import SAID
from experiments.config.composing import COMPONENTS, compose_config
from experiments.config.settings import CampaignSettings
from experiments.config.signatures import TARGET, Argument, locate, signature_of
from experiments.config.sources import conf_dir, groups
from physics_priors.bounds import Bounds, bounds_of

INTRODUCTION = """\
# Configuration

<!-- Written by `python -m experiments.config`, and a test compares: change dataclasses and signatures, not this. -->

A campaign is composed from the YAML in `conf/` and from overrides on the command line, and is checked against the
types below before anything is built. The groups are folders of `conf/`, `agent=sobol` chooses `conf/agent/sobol.yaml`;
keys are set with `agent.beta=3`. A key that the YAML leaves out may be set too: it exists if its class has it.
`docs/commands.md` says how to add YAML and classes of your own.
"""


def document() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_campaign(), *_groups()])


def _campaign() -> Iterator[str]:
    yield "## A campaign\n"
    yield from _table(_settings_rows(CampaignSettings, ""))


def _groups() -> Iterator[str]:
    for group, options in groups().items():
        yield f"## `{group}=`\n"
        for option in options:
            yield from _option(group, option)


def _option(group: str, option: str) -> Iterator[str]:
    """An option: what its file says of itself, and what can be set where it names a class."""
    path = conf_dir() / group / f"{option}.yaml"
    yield f"### `{group}={option}`\n"
    said = _comment(path)
    if said:
        yield f"{said}\n"
    if group in COMPONENTS:
        yield from _table(_node_rows(_composed(group, option), group))
    else:
        yield f"```yaml\n{_body(path)}\n```\n"


def _comment(path: Path) -> str:
    """The comment that opens a YAML file, without Hydra's own directives."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @"):
            lines.append(line.lstrip("# "))
    return "\n".join(lines)


def _body(path: Path) -> str:
    """A YAML file without its opening comment."""
    lines = path.read_text().splitlines()
    return "\n".join(itertools.dropwhile(lambda line: line.startswith("#"), lines)).strip()


def _composed(group: str, option: str) -> Any:
    """An option with those it starts from; interpolations stay, so that the page is the same everywhere."""
    from omegaconf import OmegaConf

    return OmegaConf.to_container(compose_config([f"{group}={option}"])[group], resolve=False)


def _table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    yield "| key | takes | default |"
    yield "|---|---|---|"
    for cells in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _settings_rows(cls: type[Any], prefix: str) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for argument in signature_of(cls).arguments.values():
        key = prefix + argument.name
        if inspect.isclass(argument.hint) and dataclasses.is_dataclass(argument.hint):
            rows += _settings_rows(argument.hint, f"{key}.")
        elif key in COMPONENTS:
            rows.append((f"`{key}`", f"a component, see [`{key}=`](#{key})", "must be given"))
        else:
            rows.append(_row(key, argument, {}))
    return rows


def _node_rows(node: Mapping[str, Any], where: str) -> list[tuple[str, str, str]]:
    """Rows of a component and of the components inside it; the defaults are those of the YAML."""
    if TARGET not in node:
        return []
    target = str(node[TARGET])
    rows = [(f"`{where}.{TARGET}`", "a class", f"`{target}`")]
    for argument in signature_of(locate(target, where)).arguments.values():
        key, given = f"{where}.{argument.name}", node.get(argument.name)
        if isinstance(given, Mapping) and TARGET in given:
            rows += _node_rows(given, key)
        else:
            rows.append(_row(key, argument, node))
    return rows


def _row(key: str, argument: Argument, node: Mapping[str, Any]) -> tuple[str, str, str]:
    if argument.name in node:
        default = f"`{_value(node[argument.name])}`"
    else:
        default = "must be given" if argument.required else f"`{_value(argument.default)}`"
    return f"`{key}`", takes(argument.hint), default


def takes(hint: Any) -> str:
    """A type in words, with its range and unit."""
    if get_origin(hint) is Annotated:
        return _annotated(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return _union(get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(hint))
    if hint in SAID:
        return SAID[hint]
    return _structure(hint)


def _annotated(hint: Any) -> str:
    inner, bounds = get_args(hint)[0], next((e for e in get_args(hint)[1:] if isinstance(e, Bounds)), None)
    return takes(inner) if bounds is None else f"{takes(inner)}{_range(bounds)}"


def _range(bounds: Bounds) -> str:
    if bounds == Bounds(bounds.unit):
        return f" [{bounds.unit}]" if bounds.unit else ""
    return f" in {bounds}"


def _union(members: Sequence[Any]) -> str:
    said = [takes(member) for member in members if member is not type(None)]
    return " or ".join(said + ["null"] * (type(None) in members))


def _structure(hint: Any) -> str:
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin is tuple and inner and Ellipsis not in inner:
        return f"a list of {len(inner)}: {', '.join(dict.fromkeys(map(takes, inner)))}"
    if origin in (tuple, list, Sequence):
        return f"a list of {takes(inner[0])}" if inner else "a list"
    if origin in (dict, Mapping):
        return "a mapping"
    if inspect.isclass(origin) and origin is not Any:
        bounds = bounds_of(hint)
        return f"{origin.__name__}{_range(bounds) if bounds else ''}"
    return "anything"


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value) if value != "" else "''"
