"""Run by test_nion.py with a Python that has Nion's stack: the conformance suite over the driver."""

import sys

from instruments.check import check
from instruments.nion.simulator import make
from instruments.requests import (
    CameraFrame,
    Dwell,
    MoveStage,
    PointSpectrum,
    Register,
    ScanImage,
    SetAberrations,
    SetOptics,
    SpectrumImage,
    SubScan,
    Until,
)

FRAME = ScanImage((20.0, -10.0), (60.0, 90.0), (12, 8), 1e-5)
SMALL = ScanImage((20.0, -10.0), (60.0, 75.0), (5, 4), 1e-5)
REQUESTS = [
    FRAME,
    SubScan(FRAME, (2, 8), (0, 5)),
    PointSpectrum((100.0, 50.0), 0.02),
    SpectrumImage(SMALL, 0.005),
    CameraFrame((-30.0, 10.0), 0.02, 8),
    Dwell((40.0, -20.0), 0.25, 0.1, Until("dark_field", -1e12, 1e12)),
    SetOptics(defocus_nm=1.0, astigmatism_nm=(2.0, -1.0)),
    SetAberrations(("C1", "B2"), ((1.0, 0.0), (3.0, 4.0))),
    MoveStage((1.0, 1.0, 0.0)),
    Register((0.0, 0.0)),
]

report = check(make(), REQUESTS)
print(report)
sys.exit(0 if report.ok else 1)
