"""What is done between decisions, when due: re-registering the sample frame against the survey image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.campaign.registration import shift_pixels
from experiments.config.settings import Housekeeping
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported
from instruments.measurement import Measurement
from instruments.requests import Register, Request, ScanImage

CarryOut = Callable[[int, Request], Measurement | None]
"""Carries out the housekeeping request of this index in the present step."""


class Registration:
    """Takes the survey image again every `register_every_s` of instrument time and declares the drift it finds."""

    def __init__(self, settings: Housekeeping, survey: Measurement | None, capabilities: Capabilities) -> None:
        self._every_s = settings.register_every_s
        self._survey, self._shift_nm, self._last_s = survey, (0.0, 0.0), 0.0
        if self._every_s is None:
            return
        if "Register" not in capabilities.requests:
            raise NotSupported(f"{capabilities.name} cannot be re-registered: unset housekeeping.register_every_s")
        if survey is None or not isinstance(survey.request, ScanImage):
            raise NotSupported("there is no survey image to register against: unset housekeeping.register_every_s")

    def due(self, seconds: float) -> bool:
        """Whether it is time, at this much instrument time spent."""
        return self._every_s is not None and seconds - self._last_s >= self._every_s

    def run(self, seconds: float, carry_out: CarryOut) -> dict[str, Any]:
        """Measure the drift and declare it; says what was found."""
        assert self._survey is not None
        self._last_s = seconds
        image = carry_out(0, self._survey.request)
        if image is None or not image.complete:
            return {"what": "re-registration failed: no image", "figures": {}}
        moved = self._moved_nm(image)
        shift = (self._shift_nm[0] + moved[0], self._shift_nm[1] + moved[1])
        if carry_out(1, Register(shift)) is None:
            return {"what": "re-registration failed: the instrument did not take the shift", "figures": {}}
        self._shift_nm = shift
        figures = {"moved_nm": float(np.hypot(*moved)), "shift_x_nm": shift[0], "shift_y_nm": shift[1]}
        return {"what": "re-registered", "figures": figures}

    def _moved_nm(self, image: Measurement) -> tuple[float, float]:
        assert self._survey is not None
        request = self._survey.request
        assert isinstance(request, ScanImage)
        name = next(iter(self._survey.channels))
        columns, rows = shift_pixels(self._survey.channels[name].values, image.channels[name].values)
        width, height = request.size_nm
        return columns * width / request.shape[1], rows * height / request.shape[0]
