"""The runner of figures: what it prints, what it keeps, what it refuses."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks import latest, machine, registry
from benchmarks.registry import Measured


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of two quick figures, and where the last of each is kept."""
    path = tmp_path / "latest.json"
    registered = {
        "area.quick_s": registry.Figure(
            "area.quick_s", "s", "A quick one.", lambda: Measured(2.0, 4.0, "two and four")
        ),
        "area.broken_s": registry.Figure("area.broken_s", "s", "A broken one.", lambda: Measured(1 / 0, 1.0, "")),
    }
    monkeypatch.setattr(runner, "figures", lambda: registered)
    monkeypatch.setattr(runner, "_keep", lambda line: latest.record(line, machine.fingerprint(), path))
    return path


def test_a_figure_is_printed_as_one_line_and_kept(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["area.quick_s"]) == 0
    assert runner.main(["area.quick_s"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    line = json.loads(lines[0])
    assert {"id", "value", "unit", "reference", "ratio", "compared", "threads"} <= line.keys()
    assert (line["value"], line["ratio"]) == (2.0, 0.5)
    stored = latest.read(kept)
    assert stored["figures"]["area.quick_s"]["value"] == 2.0
    assert list(stored["machines"]) == [stored["figures"]["area.quick_s"]["machine"]]


def test_one_that_fails_does_not_keep_the_next_from_being_measured(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(["area.broken_s", "area.quick_s"]) == 1
    assert "area.broken_s could not be measured" in capsys.readouterr().err
    assert list(latest.read(kept)["figures"]) == ["area.quick_s"]


def test_an_unknown_figure_gets_one_line_with_the_nearest(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["area.quik_s"]) == 2
    assert capsys.readouterr().err == "no figure is called 'area.quik_s'; nearest: area.quick_s, area.broken_s\n"
    assert not kept.exists()


def test_no_figure_gets_the_list(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("value", "least", "within"), [(0.2, False, True), (0.4, False, False), (0.2, True, False), (0.4, True, True)]
)
def test_limits_are_read_in_their_direction(value: float, least: bool, within: bool) -> None:
    assert Measured(value, 1.0, "", limit=0.3, limit_is_least=least).within is within


def test_machines_without_figures_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    line = {"id": "area.quick_s", "value": 1.0}
    latest.record(line, {"cpu": "old"}, path)
    latest.record(line, {"cpu": "new"}, path)
    assert list(latest.read(path)["machines"].values()) == [{"cpu": "new"}]


def test_the_fingerprint_names_neither_host_nor_folder() -> None:
    text = json.dumps(machine.fingerprint())
    assert machine.fingerprint()["cores"] >= 1
    assert not re.search(r"(^|[\s\"])/\w+/", text)
    assert __import__("platform").node() not in text
