"""Small recordings whose every number says where it stands: value = 1000 row + 10 column + 0.1 sample."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

ROWS, COLUMNS, SAMPLES = 4, 3, 8
BIAS = np.array([0.0, 1.0, 2.0, 1.0, 0.0, -1.0, -2.0, -1.0])


@pytest.fixture
def cube() -> NDArray[np.float64]:
    """Spectra [4, 3, 8]."""
    row, column, sample = np.indices((ROWS, COLUMNS, SAMPLES))
    return 1000.0 * row + 10.0 * column + 0.1 * sample


@pytest.fixture
def bias() -> NDArray[np.float64]:
    """One triangular cycle of 8 steps [V]."""
    return BIAS.copy()


@pytest.fixture
def nsid(tmp_path: Path, cube: NDArray[np.float64]) -> Callable[..., Path]:
    """Writes an NSID file of the cube: its axes in the order (x, y, bias), positions in `unit`, steps of `step`."""

    def write(unit: str = "m", step: float = 1e-8, image: NDArray[Any] | None = None, **others: Any) -> Path:
        path = tmp_path / "loops.h5"
        with h5py.File(path, "w") as file:
            group = file.create_group("Measurement_000/Channel_000/loops")
            data = group.create_dataset("loops", data=cube.transpose(1, 0, 2))
            data.attrs.update({"quantity": "Piezoresponse", "units": "pm"})
            axes = {"X": (np.arange(COLUMNS) * step, unit), "Y": (np.arange(ROWS) * step, unit), "Bias": (BIAS, "V")}
            for index, (name, (values, units)) in enumerate(axes.items()):
                _scale(group, data, index, name, others.get(name, values), units)
            if image is not None:
                _image(group, image, unit, step)
        return path

    return write


def _scale(group: Any, data: Any, index: int, name: str, values: NDArray[Any], units: str) -> None:
    scale = group.create_dataset(name, data=values)
    kind = "SPECTRAL" if name == "Bias" else "SPATIAL"
    scale.attrs.update({"name": name, "quantity": name, "dimension_type": kind})
    if units:
        scale.attrs["units"] = units
    scale.make_scale(name)
    data.dims[index].attach_scale(scale)


def _image(group: Any, image: NDArray[Any], unit: str, step: float) -> None:
    rows, columns = image.shape
    topography = group.create_group("image")
    data = topography.create_dataset("height", data=image)
    data.attrs.update({"quantity": "Height", "units": "nm"})
    y = (np.arange(rows) + 0.5) * ROWS / rows * step - step / 2
    x = (np.arange(columns) + 0.5) * COLUMNS / columns * step - step / 2
    for index, (name, values) in enumerate((("y", y), ("x", x))):
        _scale(topography, data, index, name, values, unit)
