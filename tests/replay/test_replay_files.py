"""What is in a file becomes the recording it is, or one clear line."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instruments.errors import DataInvalid
from instruments.measurement import Axis
from instruments.replay.readers import READERS
from instruments.replay.replay import Replay
from instruments.replay.sweep import sweep_of


def spectra(replay: Replay) -> Any:
    assert replay.recording.spectra is not None
    return replay.recording.spectra


def test_nsid_is_put_in_order_whatever_the_order_of_its_axes(nsid: Callable[..., Path], cube: Any, bias: Any) -> None:
    replay = Replay(str(nsid()))
    found = spectra(replay)
    assert np.array_equal(found.values, cube)
    assert np.allclose(found.x_nm, [0, 10, 20])
    assert np.allclose(found.y_nm, [0, 10, 20, 30])
    assert (found.name, found.unit, found.axis.name, found.axis.unit) == ("Piezoresponse", "pm", "Bias", "V")
    assert np.array_equal(found.axis.values, bias)
    assert replay.describe().field.size_nm == pytest.approx((30.0, 40.0))


@pytest.mark.parametrize(("unit", "step"), [("m", 1e-8), ("um", 1e-2), ("µm", 1e-2), ("nm", 10.0), ("Å", 100.0)])
def test_positions_come_in_nanometres_from_every_unit(nsid: Callable[..., Path], unit: str, step: float) -> None:
    assert np.allclose(spectra(Replay(str(nsid(unit, step)))).x_nm, [0, 10, 20])


@pytest.mark.parametrize("unit", ["deg", "V", "A", ""])
def test_a_unit_that_is_no_length_is_refused_until_a_length_is_given(nsid: Callable[..., Path], unit: str) -> None:
    path = str(nsid(unit, 1e-8))
    with pytest.raises(DataInvalid, match=r"loops\.h5.*unit_nm"):
        Replay(path)
    assert np.allclose(spectra(Replay(path, unit_nm=1e9)).x_nm, [0, 10, 20])


def test_falling_positions_are_turned_round_with_their_data(nsid: Callable[..., Path], cube: Any) -> None:
    found = spectra(Replay(str(nsid(Y=np.array([3e-8, 2e-8, 1e-8, 0.0])))))
    assert np.allclose(found.y_nm, [0, 10, 20, 30])
    assert np.array_equal(found.values, cube[::-1])


@pytest.mark.parametrize("positions", [[0, 1e-8, 1e-8, 2e-8], [0, 2e-8, 1e-8, 3e-8], [0, 1e-8, np.nan, 3e-8]])
def test_positions_that_are_no_positions_are_refused(nsid: Callable[..., Path], positions: list[float]) -> None:
    with pytest.raises(DataInvalid, match="positions"):
        Replay(str(nsid(Y=np.array(positions))))


def test_plain_hdf5_with_its_axes_named(tmp_path: Path, cube: Any, bias: Any) -> None:
    with h5py.File(tmp_path / "plain.hdf5", "w") as file:
        file["run/data"] = cube
        file["run/other"] = cube + 1
        file["run/bias"], file["run/x"], file["run/y"] = bias, np.arange(3.0), np.arange(4.0)
        file["run/bias"].attrs["units"] = "V"
        file["run/x"].attrs["units"] = file["run/y"].attrs["units"] = "um"
    path = str(tmp_path / "plain.hdf5")
    with pytest.raises(DataInvalid, match=r"several grids of spectra.*run/data.*run/other"):
        Replay(path)
    replay = Replay(path, dataset="run/data", axis_dataset="run/bias", x_dataset="run/x", y_dataset="run/y")
    assert np.array_equal(spectra(replay).values, cube)
    assert np.allclose(spectra(replay).y_nm, [0, 1000, 2000, 3000])
    assert replay.describe().settings["BiasSpectroscopy"]["high_V"] == 2.0
    with pytest.raises(DataInvalid, match=r"run/nothing.*run/data"):
        Replay(path, dataset="run/nothing")
    with pytest.raises(DataInvalid, match="cannot be axis 0"):
        Replay(path, dataset="run/data", y_dataset="run/x")


def test_a_npy_with_its_axis_beside_it(tmp_path: Path, cube: Any, bias: Any) -> None:
    np.save(tmp_path / "loops.npy", cube)
    np.save(tmp_path / "bias.npy", bias)
    path = str(tmp_path / "loops.npy")
    with pytest.raises(DataInvalid, match="unit_nm"):
        Replay(path)
    replay = Replay(path, axis_dataset="bias.npy", axis_unit="mV", value_name="response", value_unit="pm", unit_nm=5.0)
    assert replay.describe().channels == {"BiasSpectroscopy": {"response": "pm"}}
    assert replay.describe().settings["BiasSpectroscopy"]["low_V"] == pytest.approx(-2e-3)
    assert isinstance(spectra(replay).values.base, np.memmap) or isinstance(spectra(replay).values, np.memmap)


def test_a_flat_list_of_spectra_is_folded(tmp_path: Path, cube: Any, bias: Any) -> None:
    np.savez(tmp_path / "flat.npz", current=cube.reshape(12, 8), bias=bias)
    path = str(tmp_path / "flat.npz")
    named = {"dataset": "current", "axis_dataset": "bias", "unit_nm": 1.0}
    assert np.array_equal(spectra(Replay(path, grid=(4, 3), **named)).values, cube)
    with pytest.raises(DataInvalid, match=r"list of 15 spectra.*current \(12, 8\)"):
        Replay(path, grid=(5, 3), **named)
    with pytest.raises(DataInvalid, match="two positive numbers"):
        Replay(path, grid=(-4, -3), **named)


def test_a_npz_names_what_it_has(tmp_path: Path, cube: Any) -> None:
    np.savez(tmp_path / "a.npz", data=cube, words=np.array(["x"]), things=np.array([{}], dtype=object))
    path = str(tmp_path / "a.npz")
    assert np.array_equal(spectra(Replay(path, unit_nm=1.0)).values, cube)
    with pytest.raises(DataInvalid, match=r"'nothing'.*data"):
        Replay(path, dataset="nothing", unit_nm=1.0)
    with pytest.raises(DataInvalid, match="allow_pickle"):
        Replay(path, dataset="things", unit_nm=1.0)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    np.save(tmp_path / "trap.npy", np.array([[Trap()]], dtype=object), allow_pickle=True)
    with pytest.raises(DataInvalid):
        Replay(str(tmp_path / "trap.npy"), unit_nm=1.0)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((0, 3, 8)),
        np.zeros((4, 3, 0)),
        np.zeros((4, 3, 8, 2)),
        np.zeros(7),
        np.float64(1.0),
        np.zeros((4, 3, 8), complex),
        np.array([["a", "b"], ["c", "d"]]),
        np.zeros((2, 2), [("a", float)]),
        np.zeros((2, 2), "datetime64[s]"),
    ],
    ids=lambda values: f"{values.dtype}{values.shape}",
)
def test_arrays_that_are_no_recording_are_refused(tmp_path: Path, values: Any) -> None:
    np.save(tmp_path / "odd.npy", values)
    with pytest.raises(DataInvalid, match=r"odd\.npy") as caught:
        Replay(str(tmp_path / "odd.npy"), unit_nm=1.0)
    assert "\n" not in str(caught.value)


def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_text("0 0 1")
    with pytest.raises(DataInvalid) as caught:
        Replay(str(tmp_path / "data.xyz"))
    assert all(suffix in str(caught.value) for suffix in READERS)
    assert "[io-em]" in str(caught.value)
    assert "[io-spm]" in str(caught.value)


def test_a_file_that_is_not_there_is_looked_for_from_here_and_from_the_checkout(checkout: Path) -> None:
    with pytest.raises(DataInvalid, match="PROBEWRIGHT_DATA") as caught:
        Replay("nowhere.npy")
    assert str(checkout / "nowhere.npy") in str(caught.value)
    assert str(Path.cwd() / "nowhere.npy") in str(caught.value)


def test_images_of_one_field_are_one_recording_and_of_two_are_not(tmp_path: Path) -> None:
    same = {"a": np.zeros((6, 6)), "b": np.ones((6, 6))}
    np.savez(tmp_path / "same.npz", **same)
    assert set(Replay(str(tmp_path / "same.npz"), unit_nm=1.0).describe().channels["ScanImage"]) == {"a", "b"}
    np.savez(tmp_path / "two.npz", **same, c=np.zeros((9, 9)))
    with pytest.raises(DataInvalid, match="different fields"):
        Replay(str(tmp_path / "two.npz"), unit_nm=1.0)
    assert set(Replay(str(tmp_path / "two.npz"), dataset="c", unit_nm=1.0).describe().channels["ScanImage"]) == {"c"}


def test_spectra_along_a_line_are_a_grid_of_one_row(tmp_path: Path) -> None:
    values = np.arange(40.0).reshape(5, 8)
    np.savez(tmp_path / "line.npz", line=values, e=np.arange(8.0))
    replay = Replay(str(tmp_path / "line.npz"), dataset="line", axis_dataset="e", axis_unit="eV", unit_nm=2.0)
    assert spectra(replay).values.shape == (1, 5, 8)
    assert np.array_equal(spectra(replay).values[0], values)
    assert replay.describe().field.size_nm == pytest.approx((10.0, 2.0))


@pytest.mark.parametrize(
    ("bias", "cycles", "points"),
    [
        ([0, 1, 0, -1], 1, 4),
        ([0, 1, 0, -1] * 3, 3, 4),
        (np.linspace(0, 1.25, 128), 1, 128),
        ([0, 1, 2, 3, 2, 1, 0, -1, -2, -3, -2, -1] * 2, 2, 12),
    ],
)
def test_a_bias_sweep_knows_its_cycles(bias: Any, cycles: int, points: int) -> None:
    sweep = sweep_of(Axis("bias", "V", np.asarray(bias, float)), 0.5)
    assert (sweep.settings["cycles"], sweep.settings["points"]) == (cycles, points)
    assert sweep.seconds == pytest.approx(0.5 * cycles * points)


@pytest.mark.parametrize("bias", [[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])
def test_a_bias_axis_that_is_no_sweep_is_refused(bias: list[float]) -> None:
    with pytest.raises(DataInvalid, match="no sweep"):
        sweep_of(Axis("bias", "V", np.array(bias)), 0.5)


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(96.0).reshape(4, 3, 8))
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, data=np.arange(96.0).reshape(4, 3, 8), extra=np.arange(3.0))
    return buffer.getvalue()


def _hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["group/data"] = np.arange(96.0).reshape(4, 3, 8)
        file["group/x"] = np.arange(3.0)
        file["group/data"].dims[1].label = "x"
    return buffer.getvalue()


WHOLE = {".npy": _npy(), ".npz": _npz(), ".h5": _hdf5()}
FILES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FILES
@given(suffix=st.sampled_from(sorted(WHOLE)), part=st.floats(0.0, 1.0))
def test_any_beginning_of_a_file_is_valid_or_damaged(tmp_path: Path, suffix: str, part: float) -> None:
    whole = WHOLE[suffix]
    kept = int(part * len(whole))
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[:kept])
    said = _damage(path)
    assert said is None or (kept < len(whole) and "\n" not in said)
    if said is None:
        replay = Replay(str(path), unit_nm=1.0)
        assert np.array_equal(spectra(replay).values, np.arange(96.0).reshape(4, 3, 8))


def _damage(path: Path) -> str | None:
    """What is wrong with a file; None where it is a recording. Any other error than DataInvalid goes through."""
    try:
        Replay(str(path), unit_nm=1.0)
    except DataInvalid as error:
        return str(error)
    return None


@FILES
@given(
    suffix=st.sampled_from([s for s in sorted(READERS) if s not in (".tif", ".tiff")]), noise=st.binary(max_size=400)
)
def test_no_reader_lets_another_error_out_on_noise(tmp_path: Path, suffix: str, noise: bytes) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(noise)
    with pytest.raises(DataInvalid):
        Replay(str(path), unit_nm=1.0)


@FILES
@given(place=st.integers(0, len(WHOLE[".npy"]) - 1), byte=st.integers(0, 255))
def test_a_flipped_byte_of_a_npy_gives_numbers_or_a_clear_error(tmp_path: Path, place: int, byte: int) -> None:
    damaged = bytearray(WHOLE[".npy"])
    damaged[place] = byte
    path = tmp_path / "flipped.npy"
    path.write_bytes(damaged)
    said = _damage(path)
    assert said is None or said.startswith("flipped.npy")
