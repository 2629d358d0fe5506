"""The doctor finds what is wrong with an installation that really is so."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import doctor


def test_this_installation_is_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.examine() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "everything is in order"


def test_it_says_where_each_of_our_packages_comes_from(checkout: Path) -> None:
    for name in doctor.PACKAGES:
        assert doctor.origin_of(name) == doctor.Finding("ok", name, str(checkout / name))


def test_a_distribution_that_hides_one_of_our_packages_is_named(tmp_path: Path, checkout: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").touch()
    info = tmp_path / "impostor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: impostor\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("agents\n")
    (info / "RECORD").write_text("agents/__init__.py,,\n")
    code = "from experiments.doctor import origin_of; f = origin_of('agents'); print(f.mark, f.said)"
    path = os.pathsep.join([str(tmp_path), str(checkout)])
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True)
    said = done.stdout.decode()
    assert said.startswith(f"wrong is imported from {tmp_path / 'agents'} (of impostor), which hides the one in ")


def test_versions_are_held_against_the_constraints(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# numpy==0.1\nnumpy==0.0.1\nhydra_core==1.3.8\ntorch==2.13.0 ; python_version > '3'\n")
    tested = doctor.tested_versions(constraints)
    assert tested == {"numpy": "0.0.1", "hydra-core": "1.3.8", "torch": "2.13.0"}
    assert doctor.version_of("numpy", tested).mark == "note"
    assert doctor.version_of("numpy", tested).said.endswith("tested with 0.0.1")
    assert doctor.version_of("no-such-thing-anywhere", tested).mark == "wrong"


def test_a_runs_folder_on_a_full_or_closed_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.runs_folder(tmp_path / "not" / "yet").mark == "ok"
    monkeypatch.setattr(doctor, "NEEDED_BYTES", shutil.disk_usage(tmp_path).total * 2)
    assert doctor.runs_folder(tmp_path).mark == "wrong"
    assert doctor.runs_folder(Path("/proc")).mark == "wrong"
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_tracking_database_and_a_silent_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.tracking_database(tmp_path).mark == "ok"
    (tmp_path / "mlflow.db").write_bytes(b"damaged" * 1000)
    assert doctor.tracking_database(tmp_path).mark == "wrong"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "does not answer" in doctor.tracking_database(tmp_path).said


def test_data_that_was_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(doctor.DATA, str(tmp_path))
    assert doctor.data_folder().mark == "ok"
    monkeypatch.setenv(doctor.DATA, str(tmp_path / "absent"))
    assert doctor.data_folder().mark == "wrong"
