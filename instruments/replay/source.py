"""Where a recording comes from: files, names inside them, and what the files do not say; loaded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from instruments.errors import DataInvalid
from instruments.replay.choose import Choice, assemble, structural
from instruments.replay.found import Wanted
from instruments.replay.place import locate
from instruments.replay.readers import read
from instruments.replay.recording import Image, Recording, Spectra

T = TypeVar("T")
Structure = Literal["auto", "none", "file", "mean"]


@dataclass(frozen=True)
class Source:
    """A data file, what to take from it, and where the structural image comes from."""

    path: str
    wanted: Wanted
    choice: Choice
    structure: Structure
    image_path: str | None
    image_dataset: str | None

    def load(self) -> Recording:
        """The recording in memory (.npy: mapped); raises DataInvalid, with the file's name."""
        own = replace(self.choice, image=self.image_dataset if self.image_path is None else None)
        recording = _of(self.path, lambda path: assemble(read(path, self.wanted), own))
        if recording.spectra is None:
            if self.structure in ("none", "mean") or self.image_path is not None or self.image_dataset is not None:
                raise DataInvalid(f"{self.path} holds images only: leave structure, image_path and image_dataset out")
            return recording
        return replace(recording, images=self._images(recording, recording.spectra))

    def _images(self, recording: Recording, spectra: Spectra) -> tuple[Image, ...]:
        if self.structure == "none":
            return ()
        if self.structure == "mean":
            return (_mean(spectra, recording),)
        images = recording.images
        if self.image_path is not None:
            images = _of(self.image_path, lambda path: structural(read(path, Wanted()), self.image_dataset, recording))
        if self.structure == "file" and not images:
            raise DataInvalid(f"{self.path} has no image of the same field: name one with image_path or image_dataset")
        return images


def _of(path: str, load: Callable[[Path], T]) -> T:
    """What `load` makes of a file, with the file's name before whatever is wrong with it."""
    place = locate(path)
    try:
        return load(place)
    except DataInvalid as error:
        said = str(error)
        raise DataInvalid(said if place.name in said else f"{place.name}: {said}") from error


def _mean(spectra: Spectra, recording: Recording) -> Image:
    """The mean of what is finite of every spectrum: reads every place, so it is made only when asked for by name."""
    values = np.asarray(spectra.values, dtype=np.float64)
    finite = np.isfinite(values)
    counts = finite.sum(axis=2)
    total = np.where(finite, values, 0.0).sum(axis=2)
    mean = np.divide(total, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    return Image(f"mean {spectra.name}", spectra.unit, mean, recording.extent_nm())
