"""What the objects that speak a vendor's calls have under their beam."""

import threading
import time

import numpy as np
import pytest


class Specimen:
    """One bright feature at `feature_nm` of the image's frame, moved by stage and probe as the vendor's object says."""

    feature_nm = (12.0, -5.0)

    def __init__(self) -> None:
        self.slow, self.hold, self.scans = True, threading.Event(), 0
        self.hold.set()

    def look(self, probe_nm: tuple[float, float], width_nm: float, side: int, dwell_s: float) -> np.ndarray:
        """Counts around where the probe's scan is centred; it takes its beam time."""
        self.scans += 1
        self.hold.wait(20.0)
        if self.slow:
            time.sleep(dwell_s * side * side)
        axis = (np.arange(side) + 0.5) / side * width_nm - width_nm / 2
        x, y = axis + probe_nm[0] - self.feature_nm[0], axis + probe_nm[1] - self.feature_nm[1]
        return np.round(10 + 1000 * np.exp(-(x[None, :] ** 2 + y[:, None] ** 2) / 2 / 4.0)).astype(np.uint16)


@pytest.fixture
def specimen() -> Specimen:
    return Specimen()
