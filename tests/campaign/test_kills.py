"""A campaign killed at any boundary of its journal goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")


@pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
def test_killed_at_every_boundary_it_goes_on_bit_for_bit(tmp_path, checkout):
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(tmp_path)], capture_output=True, text=True, cwd=checkout, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    labels = {name.split(" #")[0].split(" ", 1)[1] for name in found}
    assert {"begin", "command", "result", "close", "resume", "take over", "written"} <= labels
    assert len(found) >= 15
    for name, case in found.items():
        expected = {
            "hit": True,
            "ended": 0,
            "same trajectory": True,
            "same final state": True,
            "measured twice": [],
        }
        assert case == expected, f"killed {name}"
