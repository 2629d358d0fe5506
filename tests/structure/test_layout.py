"""The checkout holds what was agreed, under names that say something, and nothing of the machine it was made on."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDERS = {
    ".ci",
    "agents",
    "benchmarks",
    "conf",
    "docs",
    "environments",
    "experiments",
    "instruments",
    "physics_priors",
    "tests",
}
FILES = {
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "NOTICE",
    "README.md",
    "constraints.txt",
    "pyproject.toml",
}
CODE = ("agents", "environments", "instruments", "physics_priors", "experiments", "benchmarks")
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc"}
# Folders of one machine: a home, a temporary folder, a mount.
MACHINE_PATH = re.compile(r"(?<![\w.~$})-])/(?:home|root|Users|tmp|work|opt|mnt|var/folders)/[\w.]|[A-Z]:\\\\?Users\\")


@pytest.fixture(scope="module")
def tracked(checkout: Path) -> list[Path]:
    """Every file under version control, relative to the checkout."""
    if shutil.which("git") is None or not (checkout / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, capture_output=True, text=True, check=True)
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    return [path for path in paths if (checkout / path).exists()]


def test_top_level_is_the_agreed_list(tracked: list[Path]) -> None:
    assert {path.parts[0] for path in tracked if len(path.parts) > 1} == FOLDERS
    assert {path.name for path in tracked if len(path.parts) == 1} == FILES


def test_names_of_modules_say_something(tracked: list[Path]) -> None:
    names = {path: {path.stem, *path.parts[:-1]} for path in tracked if path.suffix == ".py"}
    assert [str(path) for path, parts in names.items() if parts & SAYS_NOTHING] == []


def test_tests_are_no_package(tracked: list[Path]) -> None:
    """Dependencies ship a top-level `tests`, and test files are told apart by their names alone."""
    tests = [path for path in tracked if path.parts[0] == "tests" and path.suffix == ".py"]
    names = [path.name for path in tests if path.name != "conftest.py"]
    assert "__init__.py" not in names
    assert sorted({name for name in names if names.count(name) > 1}) == []


def package_docstrings(checkout: Path) -> dict[str, str]:
    inits = [init for code in CODE for init in sorted((checkout / code).rglob("__init__.py"))]
    assert inits
    return {str(init.relative_to(checkout)): ast.get_docstring(ast.parse(init.read_text())) or "" for init in inits}


def test_every_package_opens_with_what_lives_there(checkout: Path) -> None:
    unsaid = [name for name, docstring in package_docstrings(checkout).items() if len(docstring.split()) < 8]
    assert unsaid == []


@pytest.mark.parametrize("package", CODE)
def test_the_layers_say_what_they_import_and_how_to_add_one(checkout: Path, package: str) -> None:
    docstring = " ".join(package_docstrings(checkout)[f"{package}/__init__.py"].split())
    assert re.search(r"\bimports?\b", docstring, flags=re.IGNORECASE)
    if package != "experiments":
        assert "To add a" in docstring


def machine_paths(text: str) -> list[str]:
    return [match.group() for match in MACHINE_PATH.finditer(text)]


def test_no_tracked_file_names_a_folder_of_one_machine(tracked: list[Path], checkout: Path) -> None:
    found = {}
    for path in tracked:
        content = (checkout / path).read_bytes()
        if b"\0" not in content and (paths := machine_paths(content.decode())):
            found[str(path)] = paths
    assert found == {}


@pytest.mark.parametrize("folder", ["home", "root", "tmp", "work"])
def test_a_folder_of_one_machine_would_be_noticed(folder: str) -> None:
    assert machine_paths(f'open("/{folder}/someone/data.npz")')
    assert machine_paths(f"sqlite:////{folder}/someone/data.db")
    assert not machine_paths(f"../{folder}/data and https://example.org/{folder}/page")
