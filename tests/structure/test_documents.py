"""The documents name commands that exist."""

import re
from pathlib import Path

import pytest

from benchmarks.registry import figure, figures


def make_targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z]+):(?!=)", makefile, flags=re.MULTILINE))


def documents(checkout: Path) -> list[Path]:
    return [checkout / "README.md", checkout / "CONTRIBUTING.md", *sorted((checkout / "docs").rglob("*.md"))]


def make_commands(document: str) -> set[str]:
    """Targets of `make` that are named as code: after a backtick or at the start of a line."""
    return set(re.findall(r"(?:`|^\s*)make ([a-z]+)", document, flags=re.MULTILINE))


def test_documented_make_targets_exist(checkout: Path) -> None:
    targets = make_targets((checkout / "Makefile").read_text())
    missing = {path.name: make_commands(path.read_text()) - targets for path in documents(checkout)}
    assert {name: commands for name, commands in missing.items() if commands} == {}


def test_readme_opens_with_the_two_commands(checkout: Path) -> None:
    readme = (checkout / "README.md").read_text()
    assert {"run", "test"} <= make_commands("\n".join(readme.splitlines()[:40]))


def test_documents_link_to_files_that_exist(checkout: Path) -> None:
    broken = []
    for path in documents(checkout):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert broken == []


def test_documented_figures_exist(checkout: Path) -> None:
    known = figures()
    for path in documents(checkout):
        named = re.findall(r"python -m benchmarks ([a-z_]+\.[a-z_]+)", path.read_text())
        assert [id for id in named if id not in known] == []


def test_figures_have_ids_units_and_a_summary() -> None:
    for id, known in figures().items():
        assert re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", id)
        assert known.unit
        assert known.summary


def test_two_figures_cannot_share_an_id() -> None:
    (taken, *_) = figures()
    with pytest.raises(ValueError, match="two figures are called"):
        figure(taken, "s")(figures()[taken].measure)
