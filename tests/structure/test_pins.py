"""constraints.txt pins everything that pyproject.toml asks for, in a form that any machine can install."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

TESTED_EXTRAS = ("dev", "io-em", "io-spm", "launchers", "multislice", "offline")


@pytest.fixture(scope="module")
def project(checkout: Path) -> dict[str, object]:
    return tomllib.loads((checkout / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def pins(checkout: Path) -> dict[str, Version]:
    lines = (checkout / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_everything_asked_for_is_pinned_within_its_range(project: dict, pins: dict[str, Version]) -> None:
    extras = [asked for name in TESTED_EXTRAS for asked in project["optional-dependencies"][name]]
    asked = [Requirement(text) for text in [*project["dependencies"], *extras]]
    unpinned = [str(one) for one in asked if canonicalize_name(one.name) not in pins]
    outside = [
        str(one) for one in asked if str(one) not in unpinned and pins[canonicalize_name(one.name)] not in one.specifier
    ]
    assert (unpinned, outside) == ([], [])


def test_no_pin_names_a_build_of_one_machine(pins: dict[str, Version]) -> None:
    assert pins["torch"] == Version("2.13.0")
    assert [name for name, version in pins.items() if version.local] == []
