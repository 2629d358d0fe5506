"""Vendor formats through the two extras; each test is skipped where its extra is not installed."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instruments.errors import DataInvalid
from instruments.replay.replay import Replay


def em() -> None:
    pytest.importorskip("rsciio", reason="the extra io-em is not installed")


def spm() -> None:
    pytest.importorskip("SciFiReaders", reason="the extra io-spm is not installed")


@pytest.mark.parametrize(
    ("suffix", "package", "extra"), [(".dm3", "rsciio", "io-em"), (".ibw", "SciFiReaders", "io-spm")]
)
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # what the import system itself knows as "not importable"
    monkeypatch.delitem(sys.modules, f"instruments.replay.readers.{extra.removeprefix('io-')}", raising=False)
    (tmp_path / f"a{suffix}").write_bytes(b"anything")
    with pytest.raises(DataInvalid, match=rf"pip install -e '\.\[{extra}\]'"):
        Replay(str(tmp_path / f"a{suffix}"))


def test_a_hyperspy_file_with_its_calibration(tmp_path: Path) -> None:
    em()
    values = np.random.default_rng(0).normal(size=(5, 4, 16)).astype(np.float32)
    _write_hspy(tmp_path / "si.hspy", values, current_nA=0.03)
    replay = Replay(str(tmp_path / "si.hspy"), family="STEM")
    spectra = replay.recording.spectra
    assert spectra is not None
    assert np.array_equal(spectra.values, values)
    assert np.allclose(spectra.x_nm, [0, 0.2, 0.4, 0.6])
    assert np.allclose(spectra.axis.values, 300 + 0.5 * np.arange(16))
    assert (spectra.name, spectra.unit, spectra.axis.unit) == ("core loss", "Counts", "eV")
    calibration = replay.describe().calibration
    assert (calibration.current_pA, calibration.beam_energy_keV) == (pytest.approx(30.0), 60.0)
    assert calibration.convergence_mrad == 30.0
    explicit = Replay(str(tmp_path / "si.hspy"), family="STEM", current_pA=12.0).describe().calibration
    assert explicit.current_pA == 12.0


def _write_hspy(path: Path, values: Any, current_nA: float) -> None:
    axes = []
    for index, (name, unit, scale, offset) in enumerate(
        [("y", "nm", 0.2, 0.0), ("x", "nm", 0.2, 0.0), ("Energy loss", "eV", 0.5, 300.0)]
    ):
        axis = {"name": name, "units": unit, "scale": scale, "offset": offset, "size": values.shape[index]}
        axes.append({"_type": "UniformDataAxis", "navigate": index < 2, "is_binned": False, **axis})
    tem = {"beam_current": current_nA, "beam_energy": 60.0, "convergence_angle": 30.0}
    metadata = {
        "General": {"title": "core loss"},
        "Signal": {"signal_type": "EELS", "quantity": "Electrons (Counts)"},
        "Acquisition_instrument": {"TEM": tem},
    }
    empty: dict[str, Any] = {"original_metadata": {}, "learning_results": {}, "models": {}, "tmp_parameters": {}}
    signal = {
        "data": values,
        "axes": axes,
        "metadata": metadata,
        "package_info": {"package": "", "package_version": ""},
        **empty,
    }
    importlib.import_module("rsciio.hspy").file_writer(
        str(path), {**signal, "attributes": {"_lazy": False, "ragged": False}}
    )


def test_an_emd_image(tmp_path: Path) -> None:
    em()
    import h5py

    with h5py.File(tmp_path / "image.emd", "w") as file:
        file.attrs.update({"version_major": 0, "version_minor": 2})
        group = file.create_group("data/haadf")
        group.attrs["emd_group_type"] = 1
        group["data"] = np.arange(20.0).reshape(5, 4)
        for index, (name, size) in enumerate((("y", 5), ("x", 4))):
            group[f"dim{index + 1}"] = 0.5 * np.arange(size)
            group[f"dim{index + 1}"].attrs.update({"name": name, "units": "[n_m]"})
    replay = Replay(str(tmp_path / "image.emd"), family="STEM", unit_nm=1.0)
    assert np.array_equal(replay.recording.images[0].values, np.arange(20.0).reshape(5, 4))
    assert replay.describe().field.size_nm == pytest.approx((2.0, 2.5))


SXM = """:NANONIS_VERSION:
2
:SCAN_PIXELS:
       {columns}       {rows}
:SCAN_TIME:
  1.0E-1  1.0E-1
:SCAN_RANGE:
  {width:.6E}  {height:.6E}
:SCAN_OFFSET:
  0.0E+0  0.0E+0
:SCAN_DIR:
{direction}
:BIAS:
  5.0E-1
:ACQ_TIME:
  1.0
:DATA_INFO:
\tChannel\tName\tUnit\tDirection\tCalibration\tOffset
\t14\tZ\tm\tboth\t1.0E+0\t0.0E+0

:SCANIT_END:


"""


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_nanonis_scan_has_the_smallest_y_first(tmp_path: Path, direction: str) -> None:
    spm()
    rows, columns = 3, 4
    surface = 10.0 * np.arange(rows)[:, None] + np.arange(columns)  # as it lies: row 0 at the smallest y
    lines = surface if direction == "up" else surface[::-1]
    stored = np.stack([lines, lines[:, ::-1]])  # forward, and backward as the tip met it
    header = SXM.format(columns=columns, rows=rows, width=8e-9, height=6e-9, direction=direction)
    (tmp_path / "scan.sxm").write_bytes(header.encode() + b"\x1a\x04" + stored.astype(">f4").tobytes())
    replay = Replay(str(tmp_path / "scan.sxm"))
    images = {image.name: image for image in replay.recording.images}
    assert set(images) == {"Z forward", "Z backward"}
    assert np.array_equal(images["Z forward"].values, surface)
    assert np.array_equal(images["Z backward"].values, surface)
    assert images["Z forward"].unit == "m"
    assert replay.describe().field.size_nm == pytest.approx((8.0, 6.0))


GRID = (
    'Grid dim="{columns} x {rows}"\r\nGrid settings=0.0E+0;0.0E+0;9.0E-9;6.0E-9;0.0E+0\r\n'
    'Sweep Signal="Bias (V)"\r\nFixed parameters="Sweep Start;Sweep End"\r\n'
    'Experiment parameters="X (m);Y (m);Z (m)"\r\n# Parameters (4 byte)=5\r\nExperiment size (bytes)=32\r\n'
    'Points=8\r\nChannels="Current (A)"\r\nExperiment="Experiment"\r\nUser=\r\n:HEADER_END:\r\n'
)


def _grid(path: Path, rows: int, columns: int) -> Any:
    """A grid file of one channel; returns its currents."""
    current = np.arange(rows * columns * 8, dtype=np.float32).reshape(rows, columns, 8)
    parameters = np.zeros((rows, columns, 5), np.float32)
    parameters[..., 0], parameters[..., 1] = -1.0, 1.0
    parameters[..., 4] = 1e-9 * np.arange(rows * columns).reshape(rows, columns)
    body = np.concatenate([parameters, current], axis=2).astype(">f4").tobytes()
    path.write_bytes(GRID.format(rows=rows, columns=columns).encode() + body)
    return current


def test_a_nanonis_grid_that_is_not_square(tmp_path: Path) -> None:
    spm()
    current = _grid(tmp_path / "grid.3ds", 2, 3)
    replay = Replay(str(tmp_path / "grid.3ds"))
    spectra = replay.recording.spectra
    assert spectra is not None
    assert np.array_equal(spectra.values, current)
    assert np.allclose(spectra.x_nm, [1.5, 4.5, 7.5])
    assert np.allclose(spectra.y_nm, [1.5, 4.5])
    assert np.allclose(spectra.axis.values, np.linspace(-1, 1, 8))
    assert replay.describe().channels["BiasSpectroscopy"] == {"Current": "A"}
    (topography,) = replay.recording.images
    assert np.allclose(topography.values, 1e-9 * np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("lost", [1, 40, 100])
def test_a_truncated_nanonis_grid_is_not_filled_up_with_zeros(tmp_path: Path, lost: int) -> None:
    spm()
    _grid(tmp_path / "grid.3ds", 2, 3)
    whole = (tmp_path / "grid.3ds").read_bytes()
    (tmp_path / "grid.3ds").write_bytes(whole[:-lost])
    with pytest.raises(DataInvalid, match="truncated"):
        Replay(str(tmp_path / "grid.3ds"))


def test_a_gwyddion_field(tmp_path: Path) -> None:
    spm()
    gwyfile = pytest.importorskip("gwyfile")
    surface = np.arange(12.0).reshape(4, 3)
    field = gwyfile.objects.GwyDataField(surface, xreal=3e-6, yreal=4e-6, si_unit_xy="m", si_unit_z="V")
    container = gwyfile.objects.GwyContainer()
    container["/0/data"], container["/0/data/title"] = field, "Amplitude"
    container.tofile(str(tmp_path / "field.gwy"))
    replay = Replay(str(tmp_path / "field.gwy"))
    (image,) = replay.recording.images
    assert np.array_equal(image.values, surface)
    assert (image.name, image.unit) == ("Amplitude", "V")


def test_a_tiff_has_no_scale_of_its_own(tmp_path: Path) -> None:
    spm()
    tifffile = pytest.importorskip("tifffile")
    surface = np.arange(12, dtype=np.uint16).reshape(4, 3)
    tifffile.imwrite(tmp_path / "stm.tif", surface)
    with pytest.raises(DataInvalid, match="unit_nm"):
        Replay(str(tmp_path / "stm.tif"))
    replay = Replay(str(tmp_path / "stm.tif"), unit_nm=0.5)
    assert np.array_equal(replay.recording.images[0].values, surface)
    assert replay.describe().field.size_nm == pytest.approx((1.5, 2.0))


@pytest.mark.parametrize(
    ("name", "needs"),
    [("eels-si-oxide-interface/SI-EELS.dm3", em), ("pfm-ibw-gwy/image_2um.ibw", spm), ("stm-images/GH_stm.tif", spm)],
)
@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9])
def test_the_beginning_of_a_real_file_is_damaged(
    tmp_path: Path, data_folder: Path, name: str, needs: Any, part: float
) -> None:
    needs()
    whole = (data_folder / name).read_bytes()
    path = tmp_path / Path(name).name
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DataInvalid) as caught:
        Replay(str(path), unit_nm=1.0)
    assert "\n" not in str(caught.value)


def test_eels_and_haadf_of_an_interface(data_folder: Path) -> None:
    em()
    folder = data_folder / "eels-si-oxide-interface"
    haadf = str(folder / "SI-HAADF.dm3")
    replay = Replay(str(folder / "SI-EELS.dm3"), family="STEM", unit_nm=0.1, image_path=haadf, structure="file")
    spectra, (image,) = replay.recording.spectra, replay.recording.images
    assert spectra is not None
    assert spectra.values.shape == (49, 6, 1024)
    energy = spectra.axis.values
    assert (energy[0], energy[1] - energy[0], spectra.axis.unit) == (350.0, 0.5, "eV")
    mean = spectra.values.mean(axis=(0, 1))
    window = (energy > 450) & (energy < 460)
    assert energy[window][np.argmax(mean[window])] == pytest.approx(457.0, abs=0.5)  # Ti L3
    assert image.values.shape == (1568, 192)
    assert replay.describe().calibration.current_pA is None  # the file says 0 nA: it was not measured
    left = (energy > 440) & (energy < 452)
    titanium = spectra.values[..., (energy > 455) & (energy < 475)].mean(-1) - spectra.values[..., left].mean(-1)
    assert titanium[:10].mean() > 1.2 * titanium[-10:].mean()
    blocks = image.values.reshape(49, 32, 6, 32).mean(axis=(1, 3))
    assert np.corrcoef(titanium.ravel(), blocks.ravel())[0, 1] < -0.3


def test_an_igor_image(data_folder: Path) -> None:
    spm()
    replay = Replay(str(data_folder / "pfm-ibw-gwy" / "image_2um.ibw"))
    units = replay.describe().channels["ScanImage"]
    assert (units["HeightRetrace"], units["PhaseRetrace"]) == ("m", "deg")
    assert replay.describe().field.size_nm == pytest.approx((2000.0, 2000.0), rel=0.01)
