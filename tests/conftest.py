"""What every test gets: one thread, no telemetry, a working folder of its own, and the recorded data where it is."""

import os

# Before numpy and torch are first imported, also by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MPLBACKEND"] = "agg"

from collections import Counter
from pathlib import Path

import hypothesis
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

# No deadline: a test must not fail because the machine is busy. Derandomised: same code, same examples.
hypothesis.settings.register_profile("probewright", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.load_profile("probewright")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the test, empty at its start, so that nothing is written into the checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder that holds pyproject.toml."""
    return CHECKOUT


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Recorded data sets, from PROBEWRIGHT_DATA or shared/data beside the checkout; skips where there are none."""
    named = os.environ.get("PROBEWRIGHT_DATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    if named and not folder.is_dir():
        pytest.fail("PROBEWRIGHT_DATA names a folder that does not exist")
    if not folder.is_dir():
        pytest.skip("no recorded data: set PROBEWRIGHT_DATA or put shared/data beside the checkout")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests were skipped, for which reasons, and how long it took until instruments were safe."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    terminalreporter.write_line(f"skipped: {reasons.total()}")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"  {count} x {reason}")
    for line in _measured(terminalreporter):
        terminalreporter.write_line(f"until safe, {line}")


def _measured(reporter: pytest.TerminalReporter) -> list[str]:
    """What tests of faults found: how long it took until an instrument was safe."""
    passed = reporter.stats.get("passed", [])
    return [f"{report.nodeid.partition('::')[2]}: {said}" for report in passed for what, said in report.user_properties
            if what == "until safe"]  # fmt: skip


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
