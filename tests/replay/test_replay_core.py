"""The core answers with what was recorded at the places asked for, at a price, and with nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instruments.batch import RequestBatch
from instruments.check import check
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.embedded import Embedded
from instruments.errors import DataInvalid, NotSupported, OutOfReach
from instruments.keys import keys
from instruments.replay.recording import Image
from instruments.replay.replay import Replay, World
from instruments.replay.resample import resample
from instruments.requests import BiasSpectroscopy, PointSpectrum, ScanImage

SWEEP = {"low_V": -2.0, "high_V": 2.0, "points": 8, "cycles": 1, "dwell_s": 0.01}
KEYS = keys([1])


def ask(replay: Replay, request: Any, world: World | None = None) -> Any:
    world = replay.begin(KEYS, {}) if world is None else world
    _, result = replay.perform(world, RequestBatch.of(request), KEYS)
    return result.row(0, "id", request, {})


@pytest.fixture
def replay(nsid: Callable[..., Path]) -> Replay:
    return Replay(str(nsid()))


def test_it_is_an_instrument(nsid: Callable[..., Path]) -> None:
    image = np.arange(16.0 * 12).reshape(16, 12)
    check(Embedded(Replay(str(nsid(image=image))))).raise_for_failures()


@given(x=st.floats(-5.0, 25.0), y=st.floats(-5.0, 35.0))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_the_nearest_recorded_place_answers(nsid: Callable[..., Path], cube: Any, x: float, y: float) -> None:
    replay = Replay(str(nsid()))
    measured = ask(replay, BiasSpectroscopy((x, y), **SWEEP))
    sites = replay.describe().sites.positions_nm
    distances = np.hypot(*(sites - (x, y)).T)
    nearest = int(np.argmin(distances))
    got = measured.channels["Piezoresponse"].values
    if np.sort(distances)[1] - distances[nearest] > 1e-6:
        assert np.array_equal(got, cube.reshape(12, 8)[nearest])
        assert measured.position_nm == pytest.approx(tuple(sites[nearest]))


class Poisoned:
    """Spectra of which only some places may be read."""

    def __init__(self, values: Any, allowed: set[tuple[int, int]]) -> None:
        self.values, self.allowed = values, allowed

    def __getitem__(self, index: Any) -> Any:
        rows, columns = index
        assert set(zip(rows.tolist(), columns.tolist(), strict=True)) <= self.allowed, (
            "a place nobody asked for was read"
        )
        return self.values[rows, columns]

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the whole recording was read")


def test_a_place_that_was_not_asked_for_is_never_read(replay: Replay, cube: Any) -> None:
    poisoned = replace(replay.recording.spectra, values=Poisoned(cube, {(1, 2)}))
    object.__setattr__(replay, "recording", replace(replay.recording, spectra=poisoned))
    request = BiasSpectroscopy((20.0, 10.0), **SWEEP)
    replay.price(replay.begin(KEYS, {}), RequestBatch.of(request))
    replay.describe()
    assert ask(replay, request).channels["Piezoresponse"].values[0] == 1020.0
    with pytest.raises(AssertionError, match="nobody asked"):
        ask(replay, BiasSpectroscopy((0.0, 0.0), **SWEEP))
    with pytest.raises(AssertionError, match="whole recording"):
        replay.truth(replay.begin(KEYS, {}), 0)


@pytest.mark.parametrize("structure", ["auto", "none"])
def test_what_is_not_asked_for_changes_nothing(tmp_path: Path, cube: Any, structure: str) -> None:
    other = np.random.default_rng(0).normal(size=cube.shape)
    other[2, 1] = cube[2, 1]
    answers, capabilities = [], []
    for values in (cube, other):
        np.save(tmp_path / "a.npy", values)
        replay = Replay(str(tmp_path / "a.npy"), unit_nm=1.0, axis_unit="eV", structure=structure)  # type: ignore[arg-type]
        answers.append(ask(replay, PointSpectrum((1.0, 2.0), 0.01)))
        capabilities.append(replay.describe())
    first, second = answers
    assert np.array_equal(first.channels["a"].values, second.channels["a"].values)
    assert (first.cost, first.position_nm) == (second.cost, second.position_nm)
    one, two = (replace(c, sites=None) for c in capabilities)
    assert one == two


def test_the_same_place_gives_the_same_values_again(replay: Replay) -> None:
    first, second = (ask(replay, BiasSpectroscopy((0.0, 0.0), **SWEEP)) for _ in range(2))
    assert np.array_equal(first.channels["Piezoresponse"].values, second.channels["Piezoresponse"].values)


def test_gaps_stay_gaps(tmp_path: Path, cube: Any) -> None:
    cube[0, 0] = np.nan
    cube[0, 1, :3] = [np.nan, np.inf, -np.inf]
    np.save(tmp_path / "gaps.npy", cube)
    replay = Replay(str(tmp_path / "gaps.npy"), unit_nm=10.0, axis_unit="eV")
    never, partly = (ask(replay, PointSpectrum((x, 0.0), 0.01)) for x in (0.0, 10.0))
    assert not never.complete
    assert np.isnan(never.channels["gaps"].values).all()
    assert partly.complete
    assert np.array_equal(partly.channels["gaps"].values, cube[0, 1], equal_nan=True)
    assert np.array_equal(replay.truth(replay.begin(KEYS, {}), 0)["values"], cube, equal_nan=True)


def test_a_request_costs_settling_travel_and_dwell(nsid: Callable[..., Path]) -> None:
    replay = Replay(str(nsid()), settle_s=0.5, travel_nm_s=20.0, dwell_s=0.25, force_nN=3.0)
    request = BiasSpectroscopy((20.0, 30.0), **{**SWEEP, "dwell_s": 0.25})
    world = World(np.array([[20.0, 20.0]]))
    cost = ask(replay, request, world).cost
    assert cost.seconds == pytest.approx(0.5 + 10.0 / 20.0 + 8 * 0.25)
    assert cost.bias_V_s == pytest.approx(1.0 * 8 * 0.25)
    assert cost.contact_nm_nN == pytest.approx(30.0)
    assert cost.electrons == 0.0
    assert replay.price(world, RequestBatch.of(request)).row(0) == cost
    after, _ = replay.perform(world, RequestBatch.of(request), KEYS)
    assert np.allclose(after.probe_nm, [[20.0, 30.0]])


def test_electrons_flow_while_the_beam_dwells(tmp_path: Path, cube: Any) -> None:
    np.save(tmp_path / "eels.npy", cube)
    known = Replay(str(tmp_path / "eels.npy"), family="STEM", unit_nm=1.0, axis_unit="eV", dwell_s=0.5, current_pA=50.0)
    assert ask(known, PointSpectrum((0, 0), 0.5)).cost.electrons == pytest.approx(50.0 * 0.5 * ELECTRONS_PER_PA_S)
    unknown = Replay(str(tmp_path / "eels.npy"), family="STEM", unit_nm=1.0, axis_unit="eV", dwell_s=0.5)
    assert unknown.describe().calibration.current_pA is None
    assert ask(unknown, PointSpectrum((0, 0), 0.5)).cost.electrons == 0.0


@pytest.mark.parametrize("place", [(26.0, 0.0), (0.0, -6.0), (1e9, 1e9)])
def test_outside_of_the_field_is_out_of_reach(replay: Replay, place: tuple[float, float]) -> None:
    batch = RequestBatch.of(BiasSpectroscopy(place, **SWEEP))
    with pytest.raises(OutOfReach, match="leaves x -5 to 25 nm"):
        replay.price(replay.begin(KEYS, {}), batch)
    with pytest.raises(OutOfReach):
        replay.perform(replay.begin(KEYS, {}), batch, KEYS)


def test_a_place_that_is_no_number_is_out_of_reach(replay: Replay) -> None:
    batch = RequestBatch("BiasSpectroscopy", 1, {"position_nm": np.array([[np.nan, 0.0]])}, SWEEP)
    with pytest.raises(OutOfReach):
        replay.perform(replay.begin(KEYS, {}), batch, KEYS)


@pytest.mark.parametrize("change", [{"low_V": -1.0}, {"high_V": 8.0}, {"points": 16}, {"cycles": 2}, {"dwell_s": 0.02}])
def test_another_sweep_than_the_recorded_one_is_refused(replay: Replay, change: dict[str, float]) -> None:
    assert replay.describe().settings == {"BiasSpectroscopy": SWEEP}
    with pytest.raises(OutOfReach, match=f"one sweep only.*asked for {next(iter(change))}"):
        ask(replay, BiasSpectroscopy((0.0, 0.0), **{**SWEEP, **change}))  # type: ignore[arg-type]


@pytest.mark.parametrize("request_", [PointSpectrum((0.0, 0.0), 0.1), ScanImage((10, 15), (30, 40), (4, 3), 1e-3)])
def test_what_was_not_recorded_is_not_supported(replay: Replay, request_: Any) -> None:
    with pytest.raises(NotSupported, match="it has: BiasSpectroscopy"):
        ask(replay, request_)


def test_an_image_in_the_file_is_the_structure(nsid: Callable[..., Path]) -> None:
    image = np.arange(16.0 * 12).reshape(16, 12)
    path = str(nsid(image=image))
    replay = Replay(path)
    field = replay.describe().field
    whole = ask(replay, ScanImage(field.center_nm, field.size_nm, (16, 12), 1e-3)).channels["Height"]
    assert np.array_equal(whole.values, image)
    assert np.allclose(whole.axes[0].values[:2], [-3.75, -1.25])
    small = ask(replay, ScanImage(field.center_nm, field.size_nm, (4, 3), 1e-3)).channels["Height"].values
    assert np.allclose(small, image.reshape(4, 4, 3, 4).mean(axis=(1, 3)))
    assert "ScanImage" not in Replay(path, structure="none").describe().requests
    with pytest.raises(NotSupported, match="rotation"):
        ask(replay, ScanImage(field.center_nm, (10.0, 10.0), (4, 3), 1e-3, rotation_rad=0.1))
    with pytest.raises(NotSupported, match="no channel 'Phase'"):
        ask(replay, ScanImage(field.center_nm, field.size_nm, (4, 3), 1e-3, channels=("Phase",)))


def test_an_image_in_another_file_covers_the_field(nsid: Callable[..., Path], tmp_path: Path) -> None:
    image = np.arange(64.0 * 48).reshape(64, 48)
    np.save(tmp_path / "haadf.npy", image)
    replay = Replay(str(nsid()), image_path=str(tmp_path / "haadf.npy"), structure="file")
    field = replay.describe().field
    small = ask(replay, ScanImage(field.center_nm, field.size_nm, (4, 3), 1e-3)).channels["haadf"].values
    assert np.allclose(small, image.reshape(4, 16, 3, 16).mean(axis=(1, 3)))


def test_the_mean_of_the_curves_is_an_image_only_when_asked_for(nsid: Callable[..., Path], cube: Any) -> None:
    path = str(nsid())
    replay = Replay(path, structure="mean")
    field = replay.describe().field
    shown = ask(replay, ScanImage(field.center_nm, field.size_nm, (4, 3), 1e-3)).channels["mean Piezoresponse"].values
    assert np.allclose(shown, cube.mean(axis=2))
    assert Replay(path).describe().requests == frozenset({"BiasSpectroscopy"})
    with pytest.raises(DataInvalid, match="no image of the same field"):
        Replay(path, structure="file")


def test_options_that_images_cannot_honour_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.zeros((5, 5)))
    for option in ({"structure": "mean"}, {"structure": "none"}, {"image_path": "image.npy"}, {"image_dataset": "a"}):
        with pytest.raises(DataInvalid, match="images only"):
            Replay(str(tmp_path / "image.npy"), unit_nm=1.0, **option)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"dwell_s": -1.0},
        {"dwell_s": 0.0},
        {"settle_s": -0.1},
        {"settle_s": float("nan")},
        {"travel_nm_s": 0.0},
        {"current_pA": -5.0},
        {"unit_nm": 0.0},
        {"unit_nm": float("inf")},
        {"force_nN": -1.0},
    ],
)
def test_numbers_out_of_range_are_refused(nsid: Callable[..., Path], wrong: dict[str, float]) -> None:
    with pytest.raises(DataInvalid, match=f"{next(iter(wrong))}=.* is outside"):
        Replay(str(nsid()), **wrong)  # type: ignore[arg-type]


def test_a_recording_has_one_scenario(replay: Replay) -> None:
    assert np.array_equal(replay.begin(KEYS, {"name": "matched"}).probe_nm, replay.begin(KEYS, {}).probe_nm)
    with pytest.raises(DataInvalid, match=r"'shifted'.*only 'matched'"):
        replay.begin(KEYS, {"name": "shifted"})
    with pytest.raises(DataInvalid, match="unknown scenario key 'nmae'"):
        replay.begin(KEYS, {"nmae": "matched"})


def test_many_rows_are_as_one_by_one(replay: Replay) -> None:
    places = np.array([[0.0, 0.0], [20.0, 30.0], [11.0, 9.0]])
    world = replay.begin(keys([1, 2, 3]), {})
    batch = RequestBatch("BiasSpectroscopy", 3, {"position_nm": places}, SWEEP)
    after, result = replay.perform(world, batch, keys([1, 2, 3]))
    for row, place in enumerate(places):
        alone = ask(replay, BiasSpectroscopy((place[0], place[1]), **SWEEP))
        together = result.row(row, "id", alone.request, {})
        assert np.array_equal(together.channels["Piezoresponse"].values, alone.channels["Piezoresponse"].values)
        assert together.cost == alone.cost
        assert tuple(after.probe_nm[row]) == alone.position_nm


SIZES = st.integers(1, 9)


@given(old=st.tuples(SIZES, SIZES), new=st.tuples(SIZES, SIZES), seed=st.integers(0, 999))
def test_resampling_keeps_to_the_image(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=old)
    image = Image("a", "", values, (0.0, float(old[1]), 0.0, float(old[0])))
    center, size = np.array([old[1], old[0]]) / 2, np.array([old[1], old[0]], float)
    out = resample(image, center, size, new)
    assert out.shape == new
    assert out.min() >= values.min() - 1e-9
    assert out.max() <= values.max() + 1e-9
    if old == new:
        assert np.array_equal(out, values)
    if new == (1, 1):
        assert out[0, 0] == pytest.approx(values.mean())
    if new[0] <= old[0] and new[1] <= old[1]:
        assert out.mean() == pytest.approx(values.mean(), abs=1e-9)


def test_a_mean_over_a_gap_is_a_gap() -> None:
    values = np.ones((4, 4))
    values[0, 0], values[3, 3] = np.nan, np.inf
    image = Image("a", "", values, (0.0, 4.0, 0.0, 4.0))
    out = resample(image, np.array([2.0, 2.0]), np.array([4.0, 4.0]), (2, 2))
    assert np.array_equal(np.isnan(out), [[True, False], [False, True]])
    assert np.array_equal(out[0, 1:], [1.0])
