"""The copy for old Pythons does what the original does, under this Python and, where one is named, under 3.8."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from instruments.bridge.export import export, main, translated
from instruments.bridge.remote import RemoteTwin
from instruments.check import check

PACED = """
from instruments.embedded import Embedded
from instruments.twins.flat import Flat

def make():
    return Embedded(Flat(), pace=0.2)
"""
MODULES = ("instruments.embedded", "instruments.twins.flat")
DRIVERS = tuple(f"instruments.{vendor}.driver" for vendor in ("nanonis", "nion", "temscript"))


@pytest.mark.parametrize("named", ["", "PROBEWRIGHT_PYTHON38"], ids=["this python", "python 3.8"])
def test_a_server_from_the_copy_passes_the_conformance_suite(named: str, tmp_path: Path) -> None:
    python = os.environ.get(named, "") if named else sys.executable
    if not python:
        pytest.skip("PROBEWRIGHT_PYTHON38 names no Python 3.8 with pyzmq, msgpack, numpy and typing_extensions")
    copy = tmp_path / "copy"
    export(copy, MODULES)
    (copy / "paced.py").write_text(PACED)
    command = [python, "-m", "instruments.bridge", "paced:make", "--address", "tcp://127.0.0.1:*"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONPATH": str(copy)}
    server = subprocess.Popen(command, cwd=copy, env=clean, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    report = check(RemoteTwin(server.stdout.readline().strip()))
    server.terminate()
    assert server.wait(20) == 0
    server.stdout.close()
    report.raise_for_failures()


def test_the_copy_holds_no_type_that_3_8_cannot_read(tmp_path: Path) -> None:
    for path in export(tmp_path / "copy", (*MODULES, *DRIVERS)):
        tree = ast.parse(path.read_text(), path.name, feature_version=(3, 8))
        names = {node.value.id for node in ast.walk(tree) if isinstance(node, ast.Subscript) and _named(node.value)}
        assert not names & {"tuple", "list", "dict", "frozenset", "type"}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
                assert "None" not in (ast.unparse(node.left), ast.unparse(node.right)), (path, ast.unparse(node))
            assert not (isinstance(node, ast.keyword) and node.arg == "strict"), path


def _named(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


def test_what_is_no_type_is_left_alone() -> None:
    source = "def f(x: int | None, *a: tuple[int, ...]) -> A | B:\n    return isinstance(x, int | str) and a | {1: x}\n"
    said = translated(source)
    assert "x: _typing.Union[int, None]" in said
    assert "_typing.Tuple[int, ...]" in said
    assert "isinstance(x, (int, str))" in said
    assert "a | {1: x}" in said


def test_a_module_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "instruments.no_such"]) == 2
    assert "cannot be imported: ModuleNotFoundError" in capsys.readouterr().err
