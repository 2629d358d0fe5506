"""Microscope computers have old Pythons: the drivers go with the bridge's server into its copy for Python 3.8."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from instruments.bridge.export import export

DRIVERS = tuple(f"instruments.templates.{name}" for name in ("autoscript", "pyjem", "gatan", "asylum"))

MISSING = ("error: this Python has no ", "error: ASYLUM_SITE must name a JSON file with site settings")


def in_the_copy(python: str, folder: Path, module: str) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "instruments.bridge", f"{module}:make"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_the_copy_is_syntax_of_python_38_and_says_what_is_missing(tmp_path: Path) -> None:
    written = export(tmp_path, (*DRIVERS, "instruments.tango.driver"))
    assert {"gatan.py", "driver.py", "beam.py", "site.py"} <= {path.name for path in written}
    for path in written:
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        unions = [node for node in ast.walk(tree) if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr)]
        if path.parent.name in ("column", "templates", "tango"):
            assert unions == []  # of dicts, which came with 3.9
            assert [node for node in ast.walk(tree) if _makes(node)] == []  # dict[str, str](), which 3.8 has not
    for module in DRIVERS:
        done = in_the_copy(sys.executable, tmp_path, module)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(MISSING)
        assert done.stderr.count("\n") == 1


def _makes(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_typing.")


@pytest.mark.skipif("PROBEWRIGHT_PYTHON38" not in os.environ, reason="PROBEWRIGHT_PYTHON38 names no Python 3.8")
def test_it_runs_on_python_38(tmp_path: Path) -> None:
    export(tmp_path, (*DRIVERS, "instruments.probe"))
    for module in DRIVERS:
        done = in_the_copy(os.environ["PROBEWRIGHT_PYTHON38"], tmp_path, module)
        assert done.stderr.startswith(MISSING)
    command = [os.environ["PROBEWRIGHT_PYTHON38"], str(Path(__file__).with_name("pyjem_on_python38.py"))]
    around = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env=around | {"PYTHONPATH": str(tmp_path)}
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("ran\n")
