"""Modes of detection: they agree with one another, reach their noise limits, and batches change nothing."""

import numpy as np
import pytest

from instruments import keys
from instruments.errors import DataInvalid, InvalidRequest
from instruments.twins.spm.signals import background, rates
from instruments.twins.spm.signals.band import BandExcitation
from instruments.twins.spm.signals.contact import Contact
from instruments.twins.spm.signals.electronics import Electronics
from instruments.twins.spm.signals.lock_in import Heterodyne, SingleFrequency, demodulate
from instruments.twins.spm.signals.mask import NoiseMask
from instruments.twins.spm.signals.streaming import Streaming
from instruments.twins.spm.signals.tracking import DualFrequency
from physics_priors.oscillator import cramer_rao, thermal

SILENT = Electronics(temperature_K=0.0, detector_pm_rtHz=0.0, detector_bandwidth_Hz=0.0, adc_bits=0)
MODES = (SingleFrequency(), Heterodyne(), DualFrequency(), BandExcitation(), Streaming())


def contacts(rows: int, pixels: int) -> Contact:
    x = np.arange(pixels)
    response = np.where(x % 8 < 4, 30.0, -20.0) * np.exp(0.1j) * np.ones((rows, 1))
    return Contact.of(response, 335e3 + 2e3 * np.sin(x / 6), 120.0)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: type(m).__name__)
def test_a_batch_of_one_and_of_many_agree_and_channels_are_as_told(mode):
    whole = mode.measure(contacts(3, 7), 1e-3, Electronics(), keys.keys([4, 5, 6]))
    assert set(whole) == set(mode.units)
    for row, seed in enumerate((4, 5, 6)):
        alone = mode.measure(contacts(1, 7), 1e-3, Electronics(), keys.keys([seed]))
        for name, values in alone.items():
            assert values.shape == (1, 7)
            assert np.array_equal(values[0], whole[name][row], equal_nan=True)
    assert not np.array_equal(whole["amplitude"][0], whole["amplitude"][1])


@pytest.mark.parametrize("mode", [DualFrequency(), BandExcitation()], ids=lambda m: type(m).__name__)
def test_without_noise_the_truth_comes_back(mode):
    contact = contacts(1, 40)
    found = mode.measure(contact, 1e-3, SILENT, keys.keys([1]))
    assert found["piezoresponse"] == pytest.approx(contact.response_pm_V.real, rel=1e-6)
    assert found["resonance"] == pytest.approx(contact.resonance_Hz, rel=1e-9)
    assert found["quality"] == pytest.approx(contact.quality, rel=1e-6)


def test_streams_settle_to_what_band_excitation_says():
    contact = Contact.of(np.full((1, 6), 30.0 + 5.0j), 334.2e3, 120.0)
    stream = Streaming().measure(contact, 2e-3, SILENT, keys.keys([1]))
    band = BandExcitation().measure(contact, 2e-3, SILENT, keys.keys([1]))
    for name in ("amplitude", "phase", "resonance", "quality"):
        assert stream[name][0, 2:] == pytest.approx(band[name][0, 2:], rel=1e-4)
    assert stream["amplitude"][0, 0] != pytest.approx(band["amplitude"][0, 0], rel=1e-4)


def test_tracking_follows_a_resonance_that_a_fixed_lock_in_loses():
    ramp = Contact.of(np.full((1, 400), 30.0), 335e3 + np.linspace(0, 20e3, 400)[None], 120.0)
    tracked = DualFrequency().measure(ramp, 1e-3, SILENT, keys.keys([1]))
    assert np.abs(tracked["tracked"] - ramp.resonance_Hz)[0, 50:].max() < 200
    fixed = SingleFrequency(drive_Hz=335e3, reference_rad=-np.pi / 2).measure(ramp, 1e-3, SILENT, keys.keys([1]))
    assert fixed["amplitude"][0, 0] == pytest.approx(30.0 * 120, rel=1e-3)
    assert fixed["phase"][0, 0] == pytest.approx(0.0, abs=1e-3)
    assert fixed["amplitude"][0, -1] < 0.1 * fixed["amplitude"][0, 0]


def test_lock_in_noise_and_memory_are_those_of_one_pole():
    mode = SingleFrequency(time_constant_s=1.6e-4)
    electronics = Electronics(temperature_K=0.0, detector_pm_rtHz=2.0, adc_bits=0)
    none = Contact.of(np.zeros((1, 20_000)), 335e3, 120.0)
    seen = mode.measure(none, 8e-5, electronics, keys.keys([3]))["piezoresponse"][0]
    assert seen.std() == pytest.approx(2.0 / np.sqrt(2 * 1.6e-4), rel=0.03)
    assert np.corrcoef(seen[:-1], seen[1:])[0, 1] == pytest.approx(np.exp(-0.5), abs=0.03)
    step = Contact.of(np.where(np.arange(10) < 5, 0.0, 10.0)[None], 335e3, 120.0)
    rise = mode.measure(step, 1.6e-4, SILENT, keys.keys([3]))["amplitude"][0]
    assert rise[5] / rise[9] == pytest.approx((1 - np.exp(-1)) / (1 - np.exp(-5)), rel=1e-6)
    assert mode.bandwidth_Hz == pytest.approx(1e3, rel=0.01)


def test_heterodyne_folds_the_image_band_in():
    electronics = Electronics(temperature_K=0.0, detector_pm_rtHz=2.0, adc_bits=0)
    none = Contact.of(np.zeros((1, 5000)), 335e3, 120.0)
    plain, folded, filtered = (
        mode.measure(none, 1e-2, electronics, keys.keys([3]))["piezoresponse"].std()
        for mode in (SingleFrequency(), Heterodyne(), Heterodyne(image_rejection=1.0))
    )
    assert folded == pytest.approx(np.sqrt(2) * plain, rel=1e-9)
    assert filtered == plain


def test_demodulation_of_samples_reads_amplitude_and_phase():
    t = np.arange(200_000) / 10e6
    out = demodulate(3.0 * np.cos(2 * np.pi * 300e3 * t + 0.7), 10e6, 300e3, 1.6e-4)
    assert abs(out[-1]) == pytest.approx(3.0, rel=4e-3)
    assert np.angle(out[-1]) == pytest.approx(0.7, abs=4e-3)


def test_band_excitation_noise_is_the_detectors_and_fits_reach_the_bound():
    electronics = Electronics(temperature_K=0.0, detector_pm_rtHz=0.1, detector_bandwidth_Hz=0.0, adc_bits=0)
    contact = Contact.of(np.full((1, 2000), 20.0), 335e3, 150.0)
    mode = BandExcitation()
    found = mode.measure(contact, 1e-3, electronics, keys.keys([9]))
    noise = 0.1 / np.sqrt(1e-3)
    bound = cramer_rao.deviations(mode.frequency_Hz, 20.0 * mode.line_V, 335e3, 150.0, 0.0, noise)
    measured = np.array([found[n].std() for n in ("resonance", "quality")])
    assert (measured < 1.1 * bound[1:3]).all()
    assert (measured > 0.9 * bound[1:3]).all()
    assert np.abs(mode.waveform(10e6)).max() == pytest.approx(mode.peak_V, rel=0.01)


def test_brownian_motion_in_the_stream_has_the_right_size_and_place():
    electronics = Electronics(detector_pm_rtHz=0.0, detector_bandwidth_Hz=0.0, adc_bits=0)
    still = Contact.of(np.zeros((1, 200)), 335e3, 50.0)
    record = np.concatenate(list(Streaming().chunks(still, 0, 1e-3, electronics, keys.keys([2]))))
    assert record.std() == pytest.approx(thermal.rms_pm(3.0), rel=0.05)
    power = np.mean(np.abs(np.fft.rfft(record, axis=1)) ** 2, axis=0) * 2 / (10_000 * 10e6)
    f = np.fft.rfftfreq(10_000, 1e-7)
    near = (f > 325e3) & (f < 345e3)
    assert power[near].mean() == pytest.approx(thermal.density_pm2_Hz(f[near], 335e3, 50.0, 3.0).mean(), rel=0.1)


def test_chunks_of_a_stream_do_not_change_it_and_the_converter_rounds_and_clips():
    contact = contacts(1, 9)
    few, many = (
        np.concatenate(list(Streaming().chunks(contact, 0, 1e-3, Electronics(), keys.keys([2]), pixels=n)))
        for n in (2, 9)
    )
    assert np.array_equal(few, many)
    electronics = Electronics(adc_bits=8, adc_range_pm=1000.0)
    told = electronics.recorded(np.array([3.0, 4.0, -2000.0, 2000.0]))
    assert told.tolist() == [0.0, 7.8125, -1000.0, 992.1875]
    small = np.concatenate(list(Streaming().chunks(contact, 0, 1e-3, electronics, keys.keys([2]))))
    assert np.array_equal(small, electronics.recorded(small).astype(np.float32))


def test_mask_finds_the_floor_keeps_the_band_and_says_what_it_left_out(tmp_path):
    path = tmp_path / "stream.f4"
    electronics = Electronics(temperature_K=0.0, detector_pm_rtHz=0.3, detector_bandwidth_Hz=0.0, adc_bits=0)
    contact = Contact.of(np.full((1, 60), 30.0), 335e3, 120.0)
    written = Streaming().write(path, contact, 0, 1e-3, electronics, keys.keys([2]))
    assert written == 600_000
    mask = NoiseMask(10_000, ((285e3, 384e3),), harmonics=1)
    parts = list(mask.stream(path, chunk_bytes=7 * 40_000))
    lines = np.concatenate([p.lines for p in parts])
    assert lines.shape == (60, 10_000)
    assert np.median([p.floor_pm2_Hz for p in parts[:-1]]) == pytest.approx(0.3**2, rel=0.1)
    residual = np.concatenate([p.residual_pm for p in parts])
    assert residual == pytest.approx(np.full(60, 0.3 * np.sqrt(5e6)), rel=0.05)
    clean = np.concatenate(list(Streaming().chunks(contact, 0, 1e-3, SILENT, keys.keys([2]))))
    raw = np.fromfile(path, "<f4").reshape(60, -1)
    assert (lines - clean)[1:].std() < 0.2 * (raw - clean)[1:].std()
    assert np.concatenate([p.kept for p in parts]).max() <= 100 / 5001 + 1e-9


def test_mask_of_pure_noise_keeps_what_its_false_alarms_say():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(50, 10_000)).astype(np.float32)
    for false_alarm in (1.0, 0.1, 0.01):
        mask = NoiseMask(10_000, ((1e5, 1e6),), harmonics=1, false_alarm=false_alarm)
        kept = mask.apply(noise).kept.mean() * 5001 / mask.comb.sum()
        assert kept == pytest.approx(false_alarm, rel=0.25)


def test_mask_refuses_what_it_cannot_do(tmp_path):
    with pytest.raises(InvalidRequest, match="comb is empty"):
        NoiseMask(1000, ((6e6, 7e6),))
    mask = NoiseMask(1000, ((1e5, 2e5),))
    with pytest.raises(DataInvalid, match="lines must be"):
        mask.apply(np.zeros((2, 999), np.float32))
    (tmp_path / "torn.f4").write_bytes(bytes(4 * 1500))
    with pytest.raises(DataInvalid, match="whole line"):
        list(mask.stream(tmp_path / "torn.f4"))


def test_too_short_dwells_are_refused():
    with pytest.raises(InvalidRequest, match="shorter than a pulse"):
        BandExcitation().measure(contacts(1, 2), 5e-4, SILENT, keys.keys([1]))
    with pytest.raises(InvalidRequest, match="whole pulses"):
        Streaming().measure(contacts(1, 2), 1.5e-3, SILENT, keys.keys([1]))


def test_false_loops_open_without_any_switching_and_have_the_wrong_sense():
    up = np.linspace(0, 8, 33)
    bias = np.concatenate([up, up[-2::-1], -up[1:], -up[-2::-1]])
    surface = background.injected_V(bias, 0.1, threshold_V=4.0, share=0.3, charging_s=0.5, decay_s=20.0)
    false = background.electrostatic_pm_V(0.0, surface, gain_pm_V2=2.0)
    assert np.ptp(false) > 0.5
    assert false[48] < 0 < false[-1]  # after the positive half the response is down: a ferroelectric would be up
    assert np.ptp(background.injected_V(bias, 0.1, 9.0, 0.3, 0.5, 20.0)) == 0
    area = {}
    for dwell_s in (1e-4, 0.1, 100.0):
        twice = background.ionic_pm_V(np.tile(bias, 2), dwell_s, 1.0, 1.0)[len(bias) :]
        area[dwell_s] = abs(np.trapezoid(twice, bias))
    assert area[0.1] > 3 * max(area[1e-4], area[100.0])


def test_check_63_data_rates():
    assert rates.bins(100e3, 1e-3) == 100
    assert rates.streamed_bytes_s() == 40e6
    pixels = 256**2
    assert rates.streamed_bytes_s() * pixels * 1e-3 == pytest.approx(2.62e9, rel=2e-3)
    assert rates.band_bytes_s() == pytest.approx(0.8e6)
    assert rates.band_bytes_s() * pixels * 1e-3 == pytest.approx(52.4e6, rel=1e-3)
    assert rates.lock_in_bytes_s() == 8e3
