"""An override that names another class replaces what stood there; one that names none changes it."""

from pathlib import Path

import pytest

from experiments.config import ConfigError, compose

LAB = ("instrument=bench", "task=wish", "agent=chooser", "scenario=quiet")
FILM = "{_target_: lab_parts.Film"


@pytest.mark.parametrize(
    ("overrides", "core"),
    [
        ([f"instrument.core={FILM}}}"], {}),
        ([f"instrument.core={FILM}, mode: fast}}"], {"mode": "fast"}),
        (["instrument.core={mode: fast}"], {"pixels": 32, "mode": "fast"}),
        ([f"instrument.core={FILM}}}", "instrument.core.pixels=3"], {"pixels": 3}),
        (["instrument.core.pixels=3", f"instrument.core={FILM}}}"], {}),
        ([f"instrument.core={FILM}, pixels: 3, mode: fast}}", "~instrument.core.mode"], {"pixels": 3}),
        ([f"instrument.core={FILM}, pixels: 3}}", f"instrument.core={FILM}, mode: fast}}"], {"mode": "fast"}),
        ([f"+instrument.core={FILM}}}"], {}),
    ],
)
def test_another_class_keeps_nothing_of_the_one_before(
    lab: Path, overrides: list[str], core: dict[str, object]
) -> None:
    settings = compose([*LAB, *overrides], [lab])
    assert settings.instrument == {"_target_": "lab_parts.Bench", "core": {"_target_": "lab_parts.Film", **core}}


def test_a_group_takes_a_class_as_well_as_an_option(lab: Path) -> None:
    overrides = ["agent={_target_: lab_parts.Chooser}", "agent.film={_target_: lab_parts.Film, pixels: 3}"]
    film = {"_target_": "lab_parts.Film", "pixels": 3}
    assert compose([*LAB, *overrides], [lab]).agent == {"_target_": "lab_parts.Chooser", "film": film}


def test_a_component_inside_a_new_one_is_replaced_too(lab: Path) -> None:
    bench = "instrument={_target_: lab_parts.Bench, core: {_target_: lab_parts.Film, pixels: 5, mode: fast}}"
    settings = compose([*LAB, bench, f"instrument.core={FILM}, pixels: 3}}"], [lab])
    assert settings.instrument["core"] == {"_target_": "lab_parts.Film", "pixels": 3}


def test_a_wrong_key_in_it_is_named_as_it_was_typed(lab: Path) -> None:
    with pytest.raises(ConfigError, match=r"^unknown key 'agent\.bta'; did you mean 'agent\.beta'"):
        compose([*LAB, "agent={_target_: lab_parts.Chooser, bta: 1}"], [lab])
