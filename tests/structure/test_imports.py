"""Every module imports, light entry points stay light, and our package names are ours alone."""

import importlib
import importlib.util
import json
import pkgutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGES = ("agents", "environments", "instruments", "physics_priors", "experiments")
LIGHT = (*PACKAGES, "agents.baselines", "experiments.cli", "experiments.config.settings", "benchmarks.registry")
HEAVY = {
    "botorch",
    "gpytorch",
    "h5py",
    "matplotlib",
    "minari",
    "mlflow",
    "pandas",
    "sb3_contrib",
    "scipy",
    "sklearn",
    "stable_baselines3",
    "torch",
    "xarray",
    # file readers, and what the vendors of microscopes ship
    "SciFiReaders",
    "rsciio",
    "hyperspy",
    "abtem",
    "nion",
    "nionswift_plugin",
    "autoscript_tem_microscope_client",
    "aespm",
    "PyJEM",
    "temscript",
    "tango",
    "pywinauto",
    "win32com",
}


OF_EXTRAS = {"nion", "rsciio", "SciFiReaders", "sidpy", "tango", "temscript"}
PROGRAMS = {
    "agents.external.example",
    *(f"benchmarks.peers.with_{name}" for name in ("ax", "baybe", "gpcam", "gpax", "optuna")),
}
"""Started in a process of their own, and written to be read as a script: importing one would run it."""


def modules_of(package: str) -> list[str]:
    found = importlib.import_module(package)
    return [package, *(module.name for module in pkgutil.walk_packages(found.__path__, prefix=f"{package}."))]


def missing_for(module: str) -> str | None:
    """Name of the module that is not installed but needed to import this one; None where it imports."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return error.name
    return None


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_every_module_imports(package: str) -> None:
    modules = [name for name in modules_of(package) if name not in PROGRAMS and not name.endswith(".__main__")]
    missing = {module: missing_for(module) for module in modules}
    assert {module: name for module, name in missing.items() if name not in OF_EXTRAS | {None}} == {}


def heavy_modules_loaded_by(module: str) -> list[str]:
    program = f"import json, sys, {module}; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return sorted(HEAVY & set(json.loads(done.stdout)))


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} is gone: take it off the list")
    assert heavy_modules_loaded_by(module) == []


def test_a_heavy_module_would_be_noticed() -> None:
    assert "matplotlib" in heavy_modules_loaded_by("matplotlib.colors")


def shipped_by_others(names: Sequence[str], distributions: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Which distributions other than this project's put a top-level package of one of these names on the path."""
    others = {name: set(distributions.get(name, ())) - {"probewright"} for name in names}
    return {name: owners for name, owners in others.items() if owners}


def test_no_dependency_ships_a_package_named_as_ours() -> None:
    assert shipped_by_others(PACKAGES, packages_distributions()) == {}


def test_a_dependency_named_as_ours_would_be_noticed() -> None:
    assert shipped_by_others(["agents"], {"agents": ["probewright", "openai-agents"]}) == {"agents": {"openai-agents"}}


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_packages_are_those_of_this_checkout(package: str, checkout: Path) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent == checkout / package
