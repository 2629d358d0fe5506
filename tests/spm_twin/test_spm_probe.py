"""The scanning probe twin as an instrument: conformance, batches, writing, faults to switch off, refusals."""

import math
import threading
from typing import Any

import numpy as np
import pytest

from instruments import keys
from instruments.batch import RequestBatch
from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import DataInvalid, InvalidRequest, NotSupported, OutOfReach
from instruments.measurement import Measurement
from instruments.requests import (
    BandExcitationImage,
    BandExcitationSpectrum,
    BiasSpectroscopy,
    BiasWaveform,
    ContactKelvin,
    LineScan,
    Register,
    Relaxation,
    Request,
    ScanImage,
    SetDrive,
    SetFeedback,
    StreamLine,
    TipPath,
    TipPulse,
    Withdraw,
)
from instruments.twins.spm.scanning_probe import ScanningProbe
from instruments.twins.spm.signals.band import BandExcitation
from instruments.twins.spm.signals.lock_in import SingleFrequency

QUIET = ScanningProbe(grid=64, field_nm=640.0).flawless()
CLEAN: dict[str, Any] = {"grid": 48, "field_nm": 480.0, "dead_share": 0.0, "soft_share": 0.0, "disorder": 0.2}
FRAME = ScanImage((0.0, 0.0), (400.0, 400.0), (24, 24), 1e-3)
HERE = (40.0, -30.0)


def acquire(twin: Embedded, request: Request, stop: Any = None) -> Measurement:
    id = f"{request.kind} {twin.snapshot()['requests']}"
    return twin.acquire(request, id=id, stop=stop or threading.Event())


def values(measurement: Measurement, channel: str = "piezoresponse") -> np.ndarray[Any, Any]:
    return np.array(measurement.channels[channel].values)


def opened(seed: int = 3, **arguments: Any) -> Embedded:
    twin = Embedded(ScanningProbe(**(CLEAN | arguments)))
    twin.reset(seed, {})
    return twin


def batch(kind: str, rows: int, **fields: Any) -> RequestBatch:
    each = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
    return RequestBatch(kind, rows, each, {name: value for name, value in fields.items() if name not in each})


PLACES = np.array([[0.0, 0.0], [50.0, -60.0], [-80.0, 20.0]])
BATCHES = [
    batch("TipPulse", 3, position_nm=PLACES, bias_V=np.array([8.0, -5.0, 6.0]), width_s=np.array([0.01, 0.3, 0.05])),
    batch("TipPath", 3, points_nm=np.stack([PLACES, PLACES + 60.0, PLACES[::-1]], 1), speed_nm_s=300.0, bias_V=7.0),
    batch("BiasSpectroscopy", 3, position_nm=PLACES, low_V=-8.0, high_V=8.0, points=24, dwell_s=4e-3, cycles=1),
    batch("BiasWaveform", 3, position_nm=PLACES, bias_V=np.array([[1.0, 5], [2, 7], [-3, 0]]), dwell_s=4e-3,
          off_field=True, read_V=0.0),
    batch("ContactKelvin", 3, position_nm=PLACES, write_V=(0.0, 6.0), read_V=(-1.0, 0.0, 1.0), dwell_s=4e-3),
    batch("Relaxation", 3, position_nm=PLACES, bias_V=8.0, width_s=1e-3, reads=5, interval_s=0.02, read_V=0.0),
    batch("ScanImage", 3, center_nm=PLACES / 4, size_nm=(200.0, 100.0), shape=(8, 16),
          dwell_s=np.array([1e-3, 2e-3, 5e-4]), rotation_rad=0.3, channels=()),
    batch("BandExcitationSpectrum", 3, position_nm=PLACES, center_Hz=3.3e5, band_Hz=1e5, bins=20, pulse_s=1e-3,
          dc_V=1.0),
]  # fmt: skip


def row_of(requests: RequestBatch, row: int) -> RequestBatch:
    each = {name: value[row : row + 1] for name, value in requests.each.items()}
    return RequestBatch(requests.kind, 1, each, requests.shared)


@pytest.mark.parametrize("mode", [SingleFrequency(time_constant_s=3e-4), BandExcitation(bins=20, pulse_s=2e-4)])
def test_it_passes_the_conformance_suite(mode: Any) -> None:
    check(Embedded(ScanningProbe(grid=32, field_nm=400.0, mode=mode))).raise_for_failures()


def test_a_batch_of_one_and_of_many_agree_bit_for_bit() -> None:
    core, roots = ScanningProbe(grid=32, field_nm=320.0), keys.keys([5, 6, 7])
    many, singles = core.begin(roots, {}), [core.begin(roots[b : b + 1], {}) for b in range(3)]
    for number, requests in enumerate(BATCHES):
        fresh = keys.fold(roots, number + 1)
        many, result = core.perform(many, requests, fresh)
        for b in range(3):
            singles[b], own = core.perform(singles[b], row_of(requests, b), fresh[b : b + 1])
            for name, array in result.values.items():
                np.testing.assert_array_equal(array[b], own.values[name][0], err_msg=f"{requests.kind} {name}")
            assert result.cost.row(b) == own.cost.row(0)
            for name in core.changing:
                np.testing.assert_array_equal(getattr(many, name)[b], getattr(singles[b], name)[0], err_msg=name)


def test_performing_leaves_the_world_before_as_it_was() -> None:
    core, roots = ScanningProbe(grid=32, field_nm=320.0), keys.keys([5])
    world = core.begin(roots, {})
    before = {name: np.array(getattr(world, name)) for name in core.changing}
    for requests in BATCHES:
        core.perform(world, row_of(requests, 0), roots)
    for name, array in before.items():
        np.testing.assert_array_equal(array, getattr(world, name))


def test_noise_is_fresh_and_absent_where_it_is_flawless() -> None:
    twin = opened()
    first, second = (values(acquire(twin, LineScan((-100.0, 0.0), (100.0, 0.0), 40, 1e-3))) for _ in range(2))
    assert not np.any(first == second)
    quiet = Embedded(QUIET)
    again = [values(acquire(quiet, LineScan((-100.0, 0.0), (100.0, 0.0), 40, 1e-3))) for _ in range(2)]
    np.testing.assert_allclose(*again, atol=2e-3)


def test_a_pulse_writes_what_later_scans_see_and_the_opposite_one_erases_it() -> None:
    twin = opened()
    before = values(acquire(twin, FRAME))
    assert (before < 0).mean() > 0.98
    acquire(twin, TipPulse(HERE, 9.0, 0.5))
    written = values(acquire(twin, FRAME)) > 0
    row, column = np.argwhere(written).mean(0)
    found = (np.array([column, row]) + 0.5) / 24 * 400 - 200
    assert written.sum() >= 8
    assert np.abs(found - HERE).max() < 20.0
    acquire(twin, TipPulse(HERE, -9.0, 0.5))
    assert (values(acquire(twin, FRAME)) > 0).sum() <= 0.25 * written.sum()


def test_a_path_writes_along_its_whole_way_and_a_stopped_one_only_to_where_it_came() -> None:
    def written_columns(stop_at: int | None) -> np.ndarray[Any, Any]:
        twin = opened()
        polls = iter(range(10**6))
        stop = threading.Event()

        class Later:
            def is_set(self) -> bool:
                return stop_at is not None and next(polls) >= stop_at

        acquire(
            twin,
            TipPath(tuple((x, 0.0) for x in (-150.0, -75.0, 0.0, 75.0, 150.0)), 300.0, 8.0),
            Later() if stop_at else stop,
        )
        return np.asarray((twin.truth()["polarisation"] > 0).any(axis=0))

    whole, half = written_columns(None), written_columns(10)
    assert whole[11:37].all()
    assert half[10:20].all()
    assert not half[34:].any()


@pytest.mark.parametrize(("small", "large"), [((6.0, 0.05), (9.0, 0.05)), ((8.0, 1e-3), (8.0, 1.0))])
def test_domains_grow_with_bias_and_time(small: tuple[float, float], large: tuple[float, float]) -> None:
    sizes = []
    for bias_V, width_s in (small, large):
        twin = opened()
        acquire(twin, TipPulse(HERE, bias_V, width_s))
        sizes.append(int((twin.truth()["polarisation"] > 0).sum()))
    assert sizes[1] > sizes[0]


def test_loops_open_with_bias_and_stay_closed_without_enough() -> None:
    twin = opened(grown="labyrinth")
    wide = acquire(twin, BiasSpectroscopy((0.0, 0.0), -9.0, 9.0, 64, 1e-2, 2))
    narrow = acquire(twin, BiasSpectroscopy((0.0, 0.0), -1.0, 1.0, 64, 1e-2, 1))
    assert np.ptp(values(wide)[64:]) > 40.0
    assert np.ptp(values(narrow)) < 30.0
    assert wide.channels["piezoresponse"].unit == "pm"


def test_only_the_field_gives_the_electrostatic_slope_and_zero_switches_it_off() -> None:
    slopes = {}
    for gain in (0.0, 1.0):
        twin = Embedded(ScanningProbe(**(CLEAN | {"electrostatic": gain, "injection": 0.0})).flawless())
        loop = acquire(twin, BiasWaveform((0.0, 0.0), (-9.0, -8.0, -7.0, -6.0), 5e-3))
        bias = loop.channels["on_field"].axes[0].values
        slopes[gain] = [np.polyfit(bias, values(loop, name), 1)[0] for name in ("on_field", "piezoresponse")]
    assert slopes[1.0][0] - slopes[0.0][0] > 0.5
    assert abs(slopes[1.0][1] - slopes[0.0][1]) < 0.01


def test_injected_charge_shifts_the_response_that_is_read_and_zero_switches_it_off() -> None:
    reads = {}
    for injection in (0.0, 3.0):
        core = ScanningProbe(**(CLEAN | {"injection": injection, "electrostatic": 3.0})).flawless()
        twin = Embedded(core)
        loop = acquire(twin, ContactKelvin((0.0, 0.0), (-9.0, -3.0), (0.0,), 0.05))
        reads[injection] = values(loop)[0, 0] - values(loop)[1, 0]
        assert bool(np.any(twin.truth()["charge_V"])) == (injection > 0)
    assert abs(reads[3.0]) > abs(reads[0.0]) + 1.0


def test_what_was_written_in_a_flash_falls_back_where_screening_had_no_time() -> None:
    twin = Embedded(ScanningProbe(**(CLEAN | {"depolarisation": 0.15, "injection": 0.0})).flawless())
    short = values(acquire(twin, Relaxation((0.0, 0.0), 8.0, 2e-3, 6, 0.05)))
    twin.reset(0, {})
    long = values(acquire(twin, Relaxation((0.0, 0.0), 8.0, 2.0, 6, 0.05)))
    assert long[-1] > short[-1] + 20.0


def test_the_frame_is_found_again_after_drift_by_registering_it() -> None:
    core = ScanningProbe(**(CLEAN | {"drift_nm_s": 1.0, "creep": 0.0, "hysteresis": 0.0, "line_noise_nm": 0.0}))
    twin = Embedded(core)
    acquire(twin, FRAME)
    acquire(twin, FRAME)
    drifted = values(acquire(twin, LineScan((-100.0, 0.0), (100.0, 0.0), 60, 1e-4)), "height")
    shift = twin.truth()["drift_nm"]
    assert np.hypot(*shift) > 1.5
    acquire(twin, Register((float(shift[0]), float(shift[1]))))
    found = values(acquire(twin, LineScan((-100.0, 0.0), (100.0, 0.0), 60, 1e-4)), "height")
    twin.reset(0, {})
    fresh = values(acquire(twin, LineScan((-100.0, 0.0), (100.0, 0.0), 60, 1e-4)), "height")
    assert np.std(found - fresh) < 0.7 * np.std(drifted - fresh)


def test_the_contact_resonance_rises_with_the_set_force() -> None:
    twin = Embedded(ScanningProbe(**CLEAN, mode=BandExcitation(low_Hz=2.2e5, bins=200)).flawless())
    resonances = []
    for force_nN in (10.0, 200.0):
        acquire(twin, SetFeedback(True, setpoint_nN=force_nN))
        resonances.append(float(np.median(values(acquire(twin, FRAME), "resonance"))))
    assert resonances[1] > resonances[0] + 5e3


def test_the_drive_scales_the_response() -> None:
    twin = Embedded(ScanningProbe(**CLEAN).flawless())
    single = values(acquire(twin, FRAME))
    acquire(twin, SetDrive(amplitude_V=2.0))
    np.testing.assert_allclose(values(acquire(twin, FRAME)), 2 * single, atol=1.0)


def test_spectra_peak_at_the_contact_resonance_that_the_image_fits() -> None:
    twin = Embedded(ScanningProbe(**CLEAN).flawless())
    spectrum = acquire(twin, BandExcitationSpectrum((0.0, 0.0), 3.2e5, 1e5, 200, 2e-3))
    size = np.hypot(values(spectrum, "real"), values(spectrum, "imaginary"))
    frequency = spectrum.channels["real"].axes[0].values
    image = acquire(twin, BandExcitationImage(ScanImage((0.0, 0.0), (20.0, 20.0), (3, 3), 2e-3), 3.2e5, 1e5, 200))
    middle = np.hypot(values(image, "real")[1, 1], values(image, "imaginary")[1, 1])
    assert abs(frequency[size.argmax()] - frequency[middle.argmax()]) <= 1000.0
    assert size.max() > 20 * np.median(size) / 3


def test_a_stream_holds_the_samples_that_were_asked_for_and_shakes_at_the_driven_lines() -> None:
    twin = opened()
    line = StreamLine((-50.0, 0.0), (50.0, 0.0), 4, 1e-3, 4e6, 3.3e5, 1e5, 100)
    stream = values(acquire(twin, line), "deflection")
    power = np.abs(np.fft.rfft(stream, axis=1)) ** 2
    assert stream.shape == (4, 4000)
    assert power[:, 280:381].sum() > 0.5 * power[:, 1:].sum()


def test_a_withdrawn_tip_approaches_first_and_that_takes_time() -> None:
    twin = opened(approach_s=7.0)
    near = twin.price(FRAME).seconds
    acquire(twin, Withdraw())
    assert twin.price(FRAME).seconds == pytest.approx(near + 7.0)
    acquire(twin, FRAME)
    assert twin.price(FRAME).seconds < near + 1.0


def test_cost_counts_time_contact_and_volt_seconds() -> None:
    twin = opened(setpoint_nN=20.0, settle_s=0.0)
    cost = twin.price(TipPath(((0.0, 0.0), (100.0, 0.0)), 50.0, -4.0))
    assert cost.seconds == pytest.approx(2.0)
    assert cost.bias_V_s == pytest.approx(8.0)
    assert cost.contact_nm_nN == pytest.approx(100.0 * 20.0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (TipPulse(HERE, 11.0, 0.1), "bias_V"),
        (BiasWaveform(HERE, (1.0, -12.0), 0.01), "bias_V"),
        (ContactKelvin(HERE, (1.0,), (20.0,), 0.01), "read_V"),
        (TipPulse(HERE, 9.5, 0.1), "bias_V"),
        (SetFeedback(True, setpoint_nN=2000.0), "setpoint_nN"),
        (SetDrive(amplitude_V=50.0), "amplitude_V"),
        (TipPulse((900.0, 0.0), 1.0, 0.1), "leaves"),
    ],
)
def test_what_amplifier_force_or_field_do_not_allow_is_refused_and_nothing_moves(asked: Request, said: str) -> None:
    twin = opened()
    before = twin.snapshot()
    for call in (twin.price, lambda request: acquire(twin, request)):
        with pytest.raises(OutOfReach, match=said):
            call(asked)
    np.testing.assert_array_equal(twin.snapshot()["world"]["polarisation"], before["world"]["polarisation"])


def test_a_larger_drive_leaves_less_of_the_amplifier_for_the_bias() -> None:
    twin = opened()
    acquire(twin, TipPulse(HERE, 8.0, 0.01))
    acquire(twin, SetDrive(amplitude_V=3.0))
    acquire(twin, TipPulse(HERE, 7.0, 0.01))
    with pytest.raises(OutOfReach, match="asks for 8 V on top of a drive of 3 V; the amplifier gives 10 V"):
        acquire(twin, TipPulse(HERE, 8.0, 0.01))


def test_non_finite_and_contradictory_requests_cannot_be_built() -> None:
    for make in (
        lambda: BiasWaveform(HERE, (1.0, math.nan), 0.01),
        lambda: BiasWaveform(HERE, (), 0.01),
        lambda: TipPulse(HERE, math.inf, 0.1),
        lambda: BandExcitationSpectrum(HERE, 3e5, 1e5, 200, 1e-3),
        lambda: StreamLine(HERE, HERE, 4, 1e-3, 5e5, 3.3e5, 1e5, 100),
        lambda: Relaxation(HERE, 1.0, 0.1, 0, 0.1),
    ):
        with pytest.raises(InvalidRequest):
            make()


def test_a_set_up_that_is_unstable_or_unknown_says_so() -> None:
    with pytest.raises(InvalidRequest, match="unstable"):
        ScanningProbe(grid=80, field_nm=400.0, wall_nm=20.0)
    with pytest.raises(InvalidRequest, match="tip_shape"):
        ScanningProbe(tip_shape="cube")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="disorder"):
        ScanningProbe(disorder=math.nan)
    with pytest.raises(DataInvalid, match="scenario"):
        opened().reset(0, {"name": "friendly"})
    with pytest.raises(NotSupported, match="current"):
        opened().price(SetFeedback(True, setpoint_pA=5.0))
    with pytest.raises(NotSupported, match="frequency"):
        opened(mode=BandExcitation()).price(SetDrive(frequency_Hz=1e5))


def test_scenarios_differ_as_they_say() -> None:
    core, roots = ScanningProbe(grid=32, field_nm=1000.0), keys.keys(range(12))
    worlds = {name: core.begin(roots, {"name": name}) for name in ("matched", "shifted", "misspecified")}
    voltage = {name: np.log(world.parameters["coercive_V"] / 2.5) / 0.12 for name, world in worlds.items()}
    assert np.abs(voltage["matched"]).max() < 3.0 < np.abs(voltage["shifted"]).min()
    np.testing.assert_array_equal(voltage["matched"], voltage["misspecified"])
    dead = {name: (world.softness > 1).mean() for name, world in worlds.items()}
    assert dead["misspecified"] > 1.5 * dead["matched"]


def test_ions_draw_a_loop_where_nothing_switches_and_only_in_a_misspecified_sample() -> None:
    openings = {}
    for name, ionic in (("matched", 1.0), ("misspecified", 1.0), ("misspecified", 0.0)):
        core = ScanningProbe(**(CLEAN | {"electrostatic": 0.0, "injection": 0.0, "ionic": ionic})).flawless()
        twin = Embedded(core)
        twin.reset(4, {"name": name})
        loop = values(acquire(twin, BiasSpectroscopy((0.0, 0.0), -0.5, 0.5, 64, 0.05, 2)))[64:]
        openings[name, ionic] = np.ptp(loop)
    assert openings["misspecified", 1.0] > openings["misspecified", 0.0] + 0.2
    assert openings["matched", 1.0] == pytest.approx(openings["misspecified", 0.0], abs=1e-6)
