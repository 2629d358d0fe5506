import threading

import numpy as np
import pytest

from environments.rows import take
from instruments import keys
from instruments.batch import RequestBatch
from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import InvalidRequest, OutOfReach
from instruments.requests import BiasWaveform
from instruments.twins.spm.switching import Switching
from physics_priors.lgd import loops

CLEAN = Switching(noise_pm=0.0, drift_pm=0.0)


def waveform(*bias_V: float, **more: float) -> BiasWaveform:
    return BiasWaveform((0.0, 0.0), bias_V, 1e-3, **more)  # type: ignore[arg-type]


def asked(twin: Embedded, request: BiasWaveform, id: str = "0") -> dict[str, np.ndarray]:
    measurement = twin.acquire(request, id=id, stop=threading.Event())
    return {name: np.array(channel.values) for name, channel in measurement.channels.items()}


def test_it_passes_the_conformance_suite() -> None:
    check(Embedded(Switching())).raise_for_failures()


def test_a_matched_spot_answers_as_the_prior_says_and_remembers() -> None:
    twin = Embedded(CLEAN)
    twin.reset(3, {"name": "matched"})
    theta = loops.PRIOR.ordered(twin.truth()["parameters"])[None]
    bias = np.random.default_rng(0).uniform(-9, 9, 20)
    first = asked(twin, waveform(*bias[:8]), "a")["piezoresponse"]
    second = asked(twin, waveform(*bias[8:]), "b")["piezoresponse"]
    known = loops.off_field(theta, bias, 1e-3)[0]
    np.testing.assert_allclose(np.concatenate([first, second]), known, atol=1e-9)
    assert twin.truth()["coercive_V"] == pytest.approx(loops.targets_V(theta, 1e-3)[0, 0])


def test_misspecified_spots_hold_charge_and_lose_what_was_switched() -> None:
    seen = {}
    for name in ("matched", "misspecified"):
        twin = Embedded(CLEAN)
        twin.reset(3, {"name": name})
        seen[name] = asked(twin, waveform(*loops.staircase(-9, 9, 64, 2)))["piezoresponse"]
    assert np.abs(seen["matched"] - seen["misspecified"]).max() > 3.0
    off = Embedded(Switching(noise_pm=0.0, drift_pm=0.0, charge_pm_V=0.0, retention_loss=0.0))
    off.reset(3, {"name": "misspecified"})
    same = asked(off, waveform(*loops.staircase(-9, 9, 64, 2)))["piezoresponse"]
    np.testing.assert_allclose(same, seen["matched"], atol=1e-9)


def test_shifted_spots_lie_where_the_prior_hardly_is() -> None:
    world = Switching().begin(keys.keys(np.arange(100)), {"name": "shifted"})
    place = loops.PRIOR.cumulative(world.theta)[:, 2:5]
    assert np.all((place < 0.011) | (place > 0.989))


def test_one_row_is_a_row_of_many() -> None:
    core, keys_ = Switching(), keys.keys(np.arange(5))
    world = core.begin(keys_, {"name": "misspecified"})
    bias = np.random.default_rng(0).uniform(-9, 9, (5, 11))
    shared = {"dwell_s": 1e-3, "off_field": True, "read_V": 0.0}
    places = np.zeros((5, 2))
    after, result = core.perform(
        world, RequestBatch("BiasWaveform", 5, {"position_nm": places, "bias_V": bias}, shared), keys_
    )
    row = take(world, np.array([2]))
    alone = RequestBatch("BiasWaveform", 1, {"position_nm": places[:1], "bias_V": bias[2:3]}, shared)
    moved, own = core.perform(row, alone, keys_[2:3])
    for name in ("on_field", "piezoresponse"):
        np.testing.assert_array_equal(own.values[name][0], result.values[name][2])
    np.testing.assert_array_equal(moved.F[0], after.F[2])


def test_noise_falls_with_the_root_of_the_time_and_the_baseline_wanders() -> None:
    for dwell_s, expected in ((1e-3, 6.0), (4e-3, 3.0)):
        twin = Embedded(Switching(drift_pm=0.0))
        rests = asked(twin, BiasWaveform((0.0, 0.0), (0.0,) * 2000, dwell_s))["piezoresponse"]
        assert rests.std() == pytest.approx(expected, rel=0.1)
    wandering = Embedded(Switching(noise_pm=0.0, drift_pm=2.0))
    rests = asked(wandering, waveform(*[0.0] * 2000))["piezoresponse"]
    assert np.ptp(rests) == pytest.approx(4.0, rel=0.05)


def test_price_is_time_and_volt_seconds() -> None:
    cost = Embedded(Switching(settle_s=0.5)).price(waveform(4.0, -4.0))
    assert cost.seconds == pytest.approx(0.5 + 4e-3)
    assert cost.bias_V_s == pytest.approx(8e-3)
    assert Embedded(CLEAN).price(waveform(4.0, off_field=False)).seconds == pytest.approx(1e-3)


def test_ended_early_the_pulses_that_came_count() -> None:
    core, key = CLEAN, keys.keys(0)
    world = core.begin(key, {})
    batch = RequestBatch.of(waveform(*np.linspace(-9, 9, 10)))
    part, result = core.perform_part(world, batch, key, 0.45)
    shorter, known = core.perform(world, RequestBatch.of(waveform(*np.linspace(-9, 9, 10)[:4])), key)
    np.testing.assert_array_equal(result.values["piezoresponse"][0, :4], known.values["piezoresponse"][0])
    assert np.all(np.isnan(result.values["piezoresponse"][0, 4:]))
    np.testing.assert_array_equal(part.F, shorter.F)


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(OutOfReach, match="bias_V"):
        Embedded(Switching()).price(waveform(10.5))
    with pytest.raises(OutOfReach):
        Embedded(Switching()).price(BiasWaveform((3.0, 0.0), (1.0,), 1e-3))
    with pytest.raises(InvalidRequest, match="noise_pm"):
        Switching(noise_pm=-1.0)
