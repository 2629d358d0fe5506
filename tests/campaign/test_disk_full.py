"""A disk that really fills up while a campaign is journalling."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from experiments.campaign import resume, run, status


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 104 MiB of its own; skipped where one may not be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=104m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_campaign_and_room_lets_it_go_on(settings, events, small_disk):
    filler = small_disk / "filler"
    results = []

    def fill(boundary: str) -> None:
        results.append(boundary == "after result")
        if sum(results) == 4 and not filler.exists():
            _fill(filler)

    full = run(settings(f"runs={small_disk}"), boundary=fill)
    assert (full.status, full.exit_code) == ("failed", 1)
    assert "free some space" in full.message
    assert status(full.folder).step < 6
    filler.unlink()
    again = resume(full.folder)
    assert again.status == "finished"
    assert [event.step for event in events(full.folder, "outcome")] == [1, 2, 3, 4, 5, 6]


def _fill(path: Path) -> None:
    with path.open("wb") as file:
        try:
            while True:
                file.write(bytes(4096))
                file.flush()
        except OSError:
            return
