"""Run by test_tango.py with a Python that has PyTango: the conformance suite over the driver, against our server."""

import sys
from pathlib import Path

from instruments.check import check
from instruments.requests import MoveStage, PointSpectrum, Register, ScanImage, SetOptics
from instruments.site import read_site
from instruments.tango.driver import TangoColumn, TangoSite

SITE = read_site(TangoSite, Path(sys.argv[1]))
REQUESTS = [
    ScanImage((0.0, 0.0), (8.0, 8.0), (64, 64), 4e-5),
    PointSpectrum((1.0, -2.0), 0.05),
    SetOptics(defocus_nm=2.0),
    MoveStage((0.1, 0.05, 1.0), (0.001, 0.0)),
    Register((0.0, 0.0)),
]

report = check(TangoColumn(SITE), REQUESTS)
print(report)
sys.exit(0 if report.ok else 1)
