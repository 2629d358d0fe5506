import threading
from typing import Any

import numpy as np
import pytest

from environments.rows import take
from instruments import keys
from instruments.batch import RequestBatch
from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import DataInvalid, InvalidRequest, NotSupported, OutOfReach
from instruments.requests import BiasSpectroscopy, LineScan, Register, Request, ScanImage
from instruments.twins.domains import HIDDEN, SCALES
from instruments.twins.ferroelectric_film import FerroelectricFilm, World

FRAME = ScanImage((0.0, 0.0), (2000.0, 2000.0), (64, 64), 1e-3)
CLEAN: dict[str, float] = {"noise_pm": 0.0, "failure_rate": 0.0, "drift_nm_s": 0.0}
SCENARIOS = ["matched", "shifted", "misspecified"]


def film(**arguments: Any) -> FerroelectricFilm:
    return FerroelectricFilm(**(CLEAN | arguments))


def twin(seed: int = 0, scenario: str = "matched", **arguments: Any) -> Embedded:
    made = Embedded(film(**arguments))
    made.reset(seed, {"name": scenario})
    return made


class Session:
    """A twin that is asked under ever new ids."""

    def __init__(self, instrument: Embedded) -> None:
        self.instrument, self.count = instrument, 0

    def __call__(self, request: Request) -> dict[str, np.ndarray]:
        self.count += 1
        measurement = self.instrument.acquire(request, id=str(self.count), stop=threading.Event())
        return {name: channel.values for name, channel in measurement.channels.items()}


def loop_at(x: float, y: float, **changed: Any) -> BiasSpectroscopy:
    return BiasSpectroscopy(
        **{"position_nm": (x, y), "low_V": -8.0, "high_V": 8.0, "points": 64, "dwell_s": 4e-3} | changed
    )


def pixel(row: int, column: int) -> tuple[float, float]:
    """Centre of a pixel of FRAME."""
    return (column + 0.5) * 31.25 - 1000, (row + 0.5) * 31.25 - 1000


def deviation(name: str, value: float) -> float:
    """How many standard deviations a hidden parameter lies from its typical value."""
    typical, sd = HIDDEN[name]
    return float((np.log(value / typical) if name in SCALES else value - typical) / sd)


def worlds(rows: int, scenario: str = "matched", **arguments: Any) -> tuple[FerroelectricFilm, World]:
    core = FerroelectricFilm(**arguments)
    return core, core.begin(keys.keys(np.arange(rows)), {"name": scenario})


def test_it_passes_the_conformance_suite() -> None:
    check(Embedded(FerroelectricFilm())).raise_for_failures()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_row_and_sixteen_agree_bit_for_bit(scenario: str) -> None:
    core, many = worlds(16, scenario, grid=32)
    positions = np.random.default_rng(0).uniform(-900, 900, (16, 2))
    sweep = {"low_V": -8.0, "high_V": 8.0, "points": 64, "dwell_s": 4e-3, "cycles": 1}
    image = {"size_nm": (800.0, 600.0), "shape": (9, 13), "dwell_s": 1e-3, "rotation_rad": 0.3, "channels": ()}
    batches = [
        lambda rows: RequestBatch("ScanImage", len(rows), {"center_nm": positions[rows] / 4}, image),
        lambda rows: RequestBatch("BiasSpectroscopy", len(rows), {"position_nm": positions[rows]}, sweep),
    ]
    root = keys.keys(np.arange(16))
    for row in (0, 5, 15):
        all_worlds, one_world = many, core.begin(root[row : row + 1], {"name": scenario})
        for index, batch in enumerate(batches):
            all_worlds, whole = core.perform(all_worlds, batch(np.arange(16)), keys.fold(root, index + 1))
            one_world, alone = core.perform(
                one_world, batch(np.array([row])), keys.fold(root[row : row + 1], index + 1)
            )
            for name, values in alone.values.items():
                assert values[0].tobytes() == whole.values[name][row].tobytes()
            assert alone.cost.row(0) == whole.cost.row(row)
        for name in core.changing:
            assert getattr(one_world, name)[0].tobytes() == getattr(all_worlds, name)[row].tobytes()


def test_a_batch_is_what_embedded_instruments_measure() -> None:
    core, _ = worlds(3)
    root = keys.keys([4, 5, 6])
    world = core.begin(root, {})
    sweep = {"low_V": -8.0, "high_V": 8.0, "points": 64, "dwell_s": 4e-3, "cycles": 1}
    for index in range(2):
        batch = RequestBatch("BiasSpectroscopy", 3, {"position_nm": np.full((3, 2), 100.0 * index)}, sweep)
        world, result = core.perform(world, batch, keys.fold(root, index + 1))
    for row, seed in enumerate((4, 5, 6)):
        ask = Session(Embedded(core))
        ask.instrument.reset(seed, {})
        ask(loop_at(0.0, 0.0))
        assert ask(loop_at(100.0, 100.0))["piezoresponse"].tobytes() == result.values["piezoresponse"][row].tobytes()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_measured_loops_without_noise_are_those_of_truth(scenario: str) -> None:
    instrument = twin(3, scenario)
    truth, ask = instrument.truth(), Session(instrument)
    for row, column in ((0, 0), (20, 41), (63, 63)):
        loop = ask(loop_at(*pixel(row, column)))["piezoresponse"]
        np.testing.assert_allclose(loop, truth["loops_pm"][row, column], atol=1e-9)
        v, r = truth["bias_V"], loop
        shoelace = 0.5 * np.sum(v * np.roll(r, -1) - np.roll(v, -1) * r)
        assert truth["loop_area"][row, column] == pytest.approx(shoelace)


def test_area_is_height_times_width_where_the_sweep_saturates() -> None:
    truth = twin(1).truth()
    height = truth["loops_pm"].max(-1) - truth["loops_pm"].min(-1) - 2 * 8 * 0.3
    saturated = truth["coercive_V"] + np.abs(truth["imprint_V"]) < 4
    assert saturated.mean() > 0.9
    ratio = truth["loop_area"] / (height * 2 * truth["coercive_V"])
    np.testing.assert_allclose(ratio[saturated], 1.0, atol=0.15)


def test_walls_soften_the_loops_and_polarity_turns_the_imprint() -> None:
    truth = twin(2).truth()
    domains = truth["domains"]
    at_wall = (domains != np.roll(domains, 1, 0)) | (domains != np.roll(domains, 1, 1))
    assert truth["coercive_V"][at_wall].mean() < 0.85 * truth["coercive_V"][~at_wall].mean()
    assert truth["imprint_V"][domains > 0].mean() > 0.15 > -0.15 > truth["imprint_V"][domains < 0].mean()


def test_image_shows_domains_by_phase_and_a_part_of_the_hidden_field_by_amplitude() -> None:
    correlations = []
    for seed in range(8):
        instrument = twin(seed, noise_pm=3.0)
        truth, image = instrument.truth(), Session(instrument)(FRAME)
        up, down = image["phase"][truth["domains"] > 0], image["phase"][truth["domains"] < 0]
        assert np.median(np.abs(up)) < 0.3
        assert np.median(np.abs(down - np.pi)) < 0.3
        correlations.append(np.corrcoef(image["amplitude"].ravel(), truth["loop_area"].ravel())[0, 1])
    assert 0.4 < np.mean(correlations) < 0.8


def test_the_largest_loops_lie_in_few_small_regions() -> None:
    for seed in range(5):
        area = twin(seed).truth()["loop_area"]
        assert 1.8 < area.max() / np.median(area) < 8
        assert 3 <= (area > 0.85 * area.max()).sum() <= 120


def test_noise_is_fresh_falls_with_dwell_and_is_as_large_as_stated() -> None:
    ask = Session(twin(0, noise_pm=3.0))
    first, second = ask(FRAME)["piezoresponse"], ask(FRAME)["piezoresponse"]
    assert (first - second).std() == pytest.approx(3.0 * np.sqrt(2), rel=0.03)
    repeats = np.stack([ask(loop_at(0.0, 0.0))["piezoresponse"] for _ in range(40)])
    assert repeats.std(axis=0).mean() == pytest.approx(3.0 / 2, rel=0.05)  # 4 ms: half of that at 1 ms
    assert np.abs(np.corrcoef(repeats - repeats.mean(0))[np.triu_indices(40, 1)]).mean() < 0.2


def test_failed_fits_come_at_the_stated_rate_and_are_large() -> None:
    rows = 4000
    core, world = worlds(4, grid=8, noise_pm=0.0, failure_rate=0.05, drift_nm_s=0.0)
    world = take(world, np.zeros(rows, dtype=np.intp))
    sweep = {"low_V": -8.0, "high_V": 8.0, "points": 64, "dwell_s": 4e-3, "cycles": 1}
    batch = RequestBatch("BiasSpectroscopy", rows, {"position_nm": np.zeros((rows, 2))}, sweep)
    loops = core.perform(world, batch, keys.keys(np.arange(rows)))[1].values["piezoresponse"]
    wrong = np.abs(loops - np.median(loops, axis=0)) > 1e-9
    failed = wrong.any(axis=1)
    assert abs(failed.sum() - 200) < 4 * np.sqrt(rows * 0.05 * 0.95)
    spiky = failed & (wrong.sum(axis=1) <= 3)
    assert abs(spiky.sum() / failed.sum() - 0.5) < 4 * np.sqrt(0.25 / failed.sum())
    assert (np.abs(loops[failed]).max(axis=1) > 100).mean() > 0.9
    assert np.abs(loops[failed]).max() < 501 * 45


def test_no_loop_fails_at_rate_zero_and_all_do_at_one() -> None:
    clean = Session(twin(0))(loop_at(0.0, 0.0))["piezoresponse"]
    spoilt = Session(twin(0, failure_rate=1.0))(loop_at(0.0, 0.0))["piezoresponse"]
    assert np.abs(clean).max() < 60
    assert np.abs(spoilt - clean).max() > 100


def test_drift_moves_the_image_by_what_is_stated_and_registration_takes_it_back() -> None:
    instrument = twin(5, drift_nm_s=5.0, drift_limit_nm=62.5)
    ask = Session(instrument)
    quick = ScanImage((0.0, 0.0), (2000.0, 2000.0), (64, 64), 1e-5, channels=("piezoresponse",))
    still = Session(twin(5))(quick)["piezoresponse"]
    for _ in range(20):
        ask(quick)
    drift = instrument.truth()["drift_nm"]
    assert np.hypot(*drift) == pytest.approx(62.5)
    moved = ask(quick)["piezoresponse"]
    frequency = np.fft.fftfreq(64, 31.25)
    turn = -2j * np.pi * (frequency[:, None] * drift[1] + frequency * drift[0])
    overlaid = np.fft.ifft2(np.fft.fft2(still) * np.exp(turn))
    assert np.abs(moved - overlaid.real).std() < 0.1 * still.std()
    assert np.abs(moved - still).std() > 0.3 * still.std()
    ask(Register((float(drift[0]), float(drift[1]))))
    np.testing.assert_allclose(ask(quick)["piezoresponse"], still, atol=1e-9)


def test_drift_is_linear_until_its_limit() -> None:
    instrument = twin(5, drift_nm_s=0.5, drift_limit_nm=20.0, grid=8)
    ask, lengths = Session(instrument), []
    for _ in range(30):
        ask(loop_at(0.0, 0.0, dwell_s=0.02))
        lengths.append((instrument.snapshot()["elapsed_s"], np.hypot(*instrument.truth()["drift_nm"])))
    for elapsed_s, length in lengths:
        assert length == pytest.approx(min(0.5 * elapsed_s, 20.0))
    assert lengths[0][1] < 20.0 == lengths[-1][1]


def test_a_loop_after_conditioning_closes_and_without_begins_as_grown() -> None:
    up = np.argwhere(twin(0).truth()["domains"] > 0)[200]
    place = pixel(*up)
    closed = Session(twin(0))(loop_at(*place))["piezoresponse"]
    virgin = Session(twin(0, conditioning_cycles=0))(loop_at(*place))["piezoresponse"]
    assert closed[0] < 0 < virgin[0]
    np.testing.assert_allclose(closed[20:], virgin[20:], atol=0.1)


def test_more_cycles_are_recorded_one_after_the_other() -> None:
    two = Session(twin(0))(loop_at(0.0, 0.0, cycles=2))["piezoresponse"]
    assert two.shape == (128,)
    np.testing.assert_allclose(two[:64], two[64:], atol=1e-6)


def test_price_counts_travel_settling_dwell_and_volts() -> None:
    instrument = twin()
    cost = instrument.price(loop_at(300.0, 400.0))
    assert cost.seconds == pytest.approx(500 / 2000 + 0.1 + 2 * 64 * 4e-3)
    assert cost.bias_V_s == pytest.approx(2 * 64 * 4e-3 * 4)
    assert cost.contact_nm_nN == pytest.approx(500 * 50)
    assert cost.electrons == 0
    assert instrument.price(FRAME).seconds == pytest.approx(
        np.hypot(984.375, 984.375) / 2000 + 0.1 + 64 * (64e-3 + 0.01)
    )


def test_a_line_reads_what_the_image_shows() -> None:
    ask = Session(twin(0))
    image = ask(FRAME)["piezoresponse"]
    line = ask(LineScan(pixel(10, 3), pixel(10, 60), 58, 1e-3))["piezoresponse"]
    np.testing.assert_allclose(line, image[10, 3:61], atol=1e-9)


def test_only_the_channels_that_were_asked_for_come() -> None:
    frame = ScanImage((0.0, 0.0), (500.0, 500.0), (4, 4), 1e-3, channels=("phase",))
    assert list(Session(twin())(frame)) == ["phase"]
    with pytest.raises(NotSupported, match="current"):
        Session(twin())(ScanImage((0.0, 0.0), (500.0, 500.0), (4, 4), 1e-3, channels=("current",)))


def test_shifted_parameters_lie_outside_the_bulk_and_misspecified_ones_are_the_matched() -> None:
    def deviations(scenario: str) -> np.ndarray:
        core, world = worlds(60, scenario, grid=8)
        drawn = [core.truth(world, row)["parameters"] for row in range(60)]
        return np.array([[deviation(name, parameters[name]) for name in HIDDEN] for parameters in drawn])

    matched, shifted, misspecified = (deviations(name) for name in SCENARIOS)
    assert np.abs(shifted).min() > 3
    assert np.abs(matched).max() < 4.5
    assert abs(matched.std() - 1) < 0.1
    assert (shifted > 0).mean() == pytest.approx(0.5, abs=0.1)
    np.testing.assert_array_equal(matched, misspecified)


@pytest.mark.parametrize("on", ["charge_pm", "grain_loss"])
def test_each_misspecified_term_can_be_switched_off(on: str) -> None:
    off = {"charge_pm": 0.0, "grain_loss": 0.0}
    matched = twin(1, "matched").truth()["loops_pm"]
    np.testing.assert_allclose(twin(1, "misspecified", **off).truth()["loops_pm"], matched, atol=1e-9)
    del off[on]
    assert np.abs(twin(1, "misspecified", **off).truth()["loops_pm"] - matched).max() > 1


def test_matched_is_the_default_and_unknown_scenarios_are_refused() -> None:
    assert twin(1).truth()["loop_area"].tobytes() == twin(1, "matched").truth()["loop_area"].tobytes()
    for bad in ({"name": "shiftd"}, {"nam": "matched"}):
        with pytest.raises(DataInvalid, match="known: "):
            Embedded(film()).reset(0, bad)


@pytest.mark.parametrize(
    "request_",
    [
        loop_at(1001.0, 0.0),
        loop_at(0.0, 0.0, high_V=20.1),
        loop_at(0.0, 0.0, dwell_s=11.0),
        ScanImage((10.0, 0.0), (2000.0, 2000.0), (4, 4), 1e-3),
        LineScan((0.0, 0.0), (0.0, -1001.0), 4, 1e-3),
        Register((0.0, 101.0)),
    ],
)
def test_out_of_reach(request_: Request) -> None:
    with pytest.raises(OutOfReach):
        twin().price(request_)


@pytest.mark.parametrize("arguments", [{"noise_pm": -1.0}, {"failure_rate": 1.5}, {"grid": 4}, {"field_nm": np.nan}])
def test_arguments_outside_their_bounds_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=next(iter(arguments))):
        FerroelectricFilm(**arguments)


def kriged(features: np.ndarray, values: np.ndarray, known: np.ndarray) -> float:
    """How well a Gaussian process on a few known pixels predicts the others: the correlation with the truth."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * np.square(a[:, None] - b[None]).sum(-1))

    mean, x = values[known].mean(), features[known]
    weights = np.linalg.solve(kernel(x, x) + 0.02 * np.eye(len(x)), values[known] - mean)
    rest = np.setdiff1d(np.arange(len(values)), known)
    return float(np.corrcoef(kernel(features[rest], x) @ weights, values[rest])[0, 1])


def test_image_and_position_each_tell_a_part_and_together_more() -> None:
    scores = []
    for seed in range(6):
        instrument = twin(seed, noise_pm=3.0)
        image, area = Session(instrument)(FRAME)["amplitude"], np.log(instrument.truth()["loop_area"]).ravel()
        row, column = np.divmod(np.arange(64 * 64), 64)
        place = np.stack([row, column], axis=1) / 8
        padded = np.pad(image, 2, mode="edge")
        patch = np.stack([padded[row + i, column + j] for i in range(5) for j in range(5)], axis=1)
        look = np.stack([patch.mean(1), patch.std(1)], axis=1)
        look = (look - look.mean(0)) / look.std(0)
        known = np.random.default_rng(seed).choice(64 * 64, 80, replace=False)
        scores.append([kriged(f, area, known) for f in (place, look, np.concatenate([place / 2, look], axis=1))])
    by_place, by_look, by_both = np.mean(scores, axis=0)
    assert 0.25 < by_place < 0.8
    assert 0.4 < by_look < 0.9
    assert by_both > max(by_place, by_look) + 0.03
