"""The filter of a full stream: Fourier transform line by line, comb and noise-floor mask, and back.

A comb says where the drive can show itself (its band, its harmonics, each with the width that a pixel's time gives).
Outside of it the noise floor is measured, in blocks of frequency and anew for every line; inside, what does not rise
above it is zeroed too. What was left out is reported, so that nobody has to believe the filter. A record is read in
chunks: memory does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid, InvalidRequest
from physics_priors.bounds import Bounds, violations

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]
_CHUNK_BYTES = 2 << 20


@dataclass(frozen=True)
class Filtered:
    """Lines [n, samples] after the filter, and what it did to each [n]."""

    lines: Samples
    floor_pm2_Hz: Floats
    """Noise density [n, blocks] that was found, one-sided."""
    residual_pm: Floats
    """Root mean square of what was left out."""
    kept: Floats
    """Fraction of the frequencies kept."""


@dataclass(frozen=True)
class NoiseMask:
    """Filters lines of `samples` at `rate_Hz`.

    bands_Hz are (low, high) pairs; each is repeated at its 2nd .. `harmonics`-th multiples. `false_alarm` is the chance
    that a bin of pure noise inside the comb is kept (to about a fifth, the floor being measured too); 1 keeps the comb.
    """

    samples: Annotated[int, Bounds("samples", 16, 1 << 24)]
    bands_Hz: tuple[tuple[float, float], ...]
    rate_Hz: Annotated[float, Bounds("Hz", 0.0, open_low=True)] = 1e7
    harmonics: Annotated[int, Bounds("", 1, 100)] = 2
    false_alarm: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 1e-3
    blocks: Annotated[int, Bounds("", 1, 1024)] = 32

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands_Hz", tuple((float(low), float(high)) for low, high in self.bands_Hz))
        said = violations(self)
        said += [f"band {low:g} to {high:g} Hz does not rise" for low, high in self.bands_Hz if not 0 <= low < high]
        if not self.comb.any():
            said.append("the comb is empty: no band lies below half of rate_Hz")
        if said:
            raise InvalidRequest("NoiseMask: " + "; ".join(said))

    @cached_property
    def frequency_Hz(self) -> Floats:
        """Frequencies [samples // 2 + 1] of a line's spectrum."""
        return np.asarray(np.fft.rfftfreq(self.samples, 1.0 / self.rate_Hz), dtype=np.float64)

    @cached_property
    def comb(self) -> NDArray[np.bool_]:
        """Where the drive can show itself."""
        f, slack = self.frequency_Hz, 1e-9 * self.rate_Hz
        inside = np.zeros(len(f), dtype=bool)
        for low, high in self.bands_Hz:
            for order in range(1, self.harmonics + 1):
                inside |= (f >= order * low - slack) & (f <= order * high + slack)
        return inside

    def apply(self, lines: Samples) -> Filtered:
        """Filter lines [n, samples]."""
        from scipy.fft import irfft, rfft

        from instruments.twins.spm.signals import mask_kernel as kernel

        if lines.ndim != 2 or lines.shape[1] != self.samples:
            raise DataInvalid(f"lines must be [n, {self.samples}], got {lines.shape}")
        spectra = rfft(lines, axis=1)
        floors, told = np.empty((len(lines), self.blocks)), np.empty((len(lines), 2))
        factor = -np.log(self.false_alarm) if self.false_alarm < 1 else -1.0
        kernel.clean(spectra.view(np.float32), self.comb.astype(np.float32), factor, floors, told)
        back = irfft(spectra, self.samples, axis=1, overwrite_x=True)
        return Filtered(
            back,
            floors * (2.0 / (self.samples * self.rate_Hz)),
            np.sqrt(2.0 * told[:, 0]) / self.samples,
            told[:, 1] / len(self.frequency_Hz),
        )

    def stream(self, path: Path, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[Filtered]:
        """Filter a record of little-endian 32-bit floats, chunk by chunk; a last line that is not whole is an error."""
        lines = max(chunk_bytes // (4 * self.samples), 1)
        room = np.empty((lines, self.samples), dtype="<f4")
        with open(path, "rb", buffering=0) as file:
            while got := _filled(file, room):
                if got % (4 * self.samples):
                    raise DataInvalid(f"{path.name} does not end with a whole line of {self.samples} samples")
                yield self.apply(room[: got // (4 * self.samples)])


def _filled(file: object, room: Samples) -> int:
    """Bytes read into `room`, as many as there are until it is full."""
    view = memoryview(room).cast("B")  # type: ignore[arg-type]
    got = 0
    while got < len(view):
        count = file.readinto(view[got:])  # type: ignore[attr-defined]
        if not count:
            break
        got += count
    return got
