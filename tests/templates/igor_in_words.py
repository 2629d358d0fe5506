"""Run by test_asylum.py as the program that hands a command file over: our reading of public scripts, not Igor.

`python igor_in_words.py FOLDER` carries the commands of FOLDER/ToIgor.arcmd out on the state in FOLDER/state.json, as
public code says that Asylum's software does: what it does not know is ignored without a word, sizes are clamped at
5 um, and a scan goes on by itself and leaves a new file in FOLDER/images.
"""

import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LABELS = ("HeightRetrace", "AmplitudeRetrace", "PhaseRetrace")
PANEL = {
    "ScanSizeSetVar_0": ("ScanSize",),
    "PointsLinesSetVar_0": ("ScanPoints", "ScanLines"),
    "ScanRateSetVar_0": ("ScanRate",),
}


def wave(layers: Any, note: str) -> bytes:
    """An Igor binary wave of version 5: layers [x, y, n]."""
    data, text = layers.astype("<f4").tobytes(order="F"), note.encode()
    labels = b"".join(name.encode().ljust(32, b"\0") for name in ("", *LABELS))
    sizes = struct.pack("<hh4i4i4i3i", 5, 0, 320 + len(data), 0, len(text), 0, *[0] * 4, 0, 0, len(labels), 0, 0, 0, 0)
    head = bytearray(320)
    head[16:18] = struct.pack("<h", 2)
    head[68:84] = struct.pack("<4i", *layers.shape, 0)
    return sizes + bytes(head) + data + text + labels


def scan(folder: Path) -> None:
    """A bump at (300, -200) nm of the scanner's frame, of 40 nm; the first saved row is the lowest."""
    import numpy as np  # here, so that handing over commands is quick

    state = json.loads((folder / "state.json").read_text())
    n, size = int(state["ScanLines"]), state["ScanSize"]
    time.sleep(n / state["ScanRate"])
    if json.loads((folder / "state.json").read_text())["stopped"] != state["stopped"]:
        return
    axis = (np.arange(n) + 0.5) / n * size - size / 2
    x, y = axis[:, None] + state["XOffset"] - 300e-9, axis[None, :] + state["YOffset"] + 200e-9
    height = 40e-9 * np.exp(-(x**2 + y**2) / 2 / (50e-9) ** 2)
    layers = np.stack([height, np.full((n, n), 2e-9), np.full((n, n), 90.0)], axis=2)
    names = ("ScanSize", "XOffset", "YOffset", "ScanAngle", "ScanRate", "ScanLines", "ScanPoints")
    note = "\r".join(f"{name}: {state[name]:.10g}" for name in names)
    path = folder / "images" / f"Image{time.time_ns()}.ibw"
    content = wave(layers, note.replace("XOffset: ", "XOffset: 9") if state.get("lies") else note)
    with path.open("wb") as file:
        file.write(content[:1000])
        file.flush()
        time.sleep(0.15)
        file.write(content[1000:] if not state.get("breaks") else content[1000:-200])


def carry_out(folder: Path, line: str, state: dict, read: dict) -> None:
    if match := re.fullmatch(r'PV\("(\w+)", (\S+)\)', line):
        if match[1] in state and match[1] not in state["deaf"]:
            state[match[1]] = float(match[2])
    elif match := re.fullmatch(r'ARExecuteControl\("(\w+)","MasterPanel",(\S+),""\)', line):
        press(folder, match[1], float(match[2]), state)
    elif match := re.fullmatch(r'\w+\[(\d+)\] = (?:GV|td_ReadValue)\("([\w.]+)"\)', line):
        read[int(match[1])] = state.get(match[2], float("nan"))
    elif match := re.fullmatch(r'Save/O/G/J \w+ as "(.*)"', line):
        values = "\r".join(f"{read[k]:.10g}" for k in sorted(read))
        Path(match[1].replace("\\\\", "\\")).write_text(values + "\r")


def press(folder: Path, control: str, value: float, state: dict) -> None:
    if control == "DownScan_0" and "DownScan_0" not in state["deaf"]:
        state["scans"] += 1
        (folder / "state.json").write_text(json.dumps(state))
        command = [sys.executable, __file__, str(folder), "scan"]
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    elif control == "StopScan_0":
        state["stopped"] += 1
    elif control == "LiftTip_0":
        state["lifted"] += 1
    for name in PANEL.get(control, ()):
        if name not in state["deaf"]:
            state[name] = min(value, 5e-6) if name == "ScanSize" else value


def main(folder: Path) -> None:
    state, read = json.loads((folder / "state.json").read_text()), {}
    time.sleep(state.get("dialog", 0.0))
    for line in (folder / "ToIgor.arcmd").read_text().splitlines():
        carry_out(folder, line, state, read)
    temporary = folder / f"state.{os.getpid()}"
    temporary.write_text(json.dumps(state))
    temporary.replace(folder / "state.json")


if __name__ == "__main__":
    scan(Path(sys.argv[1])) if len(sys.argv) > 2 else main(Path(sys.argv[1]))
