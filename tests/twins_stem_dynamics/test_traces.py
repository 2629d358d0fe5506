"""Traces of parked beams: read in runs they say what they would say sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from instruments import keys
from instruments.batch import RequestBatch
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.requests import AtomPositions, BeamPath, Dwell, ScanImage, SetOptics
from instruments.twins.stem.microscope import ALL_KNOWN, StemMicroscope
from instruments.twins.stem.samples import Graphene
from instruments.twins.stem.scan import NONE
from instruments.twins.stem.world import DRIFT_X, DRIFT_Y, FULL, GROWTH

STILL: dict[str, Any] = {
    "sample": Graphene(2.4, 2.4, silicon=1, margin_nm=0.4),
    **ALL_KNOWN,
    "distortions": NONE,
    "counting_noise": False,
}
FAR = (-0.9, 0.8)
"""No silicon is near: nothing ever happens there."""


def watched(core: StemMicroscope, place: tuple[float, float], seconds: float, sample_s: float = 0.1) -> Any:
    """The trace of one dwell, and the world before and after."""
    root = keys.keys([3])
    world = core.begin(root, {})
    after, result = core.perform(world, RequestBatch.of(Dwell(place, seconds, sample_s)), keys.fold(root, 1))
    return result.values["haadf"][0], world, after


def test_contamination_grows_in_a_trace_as_its_law_says() -> None:
    core = StemMicroscope(**{**STILL, "contamination": 1.0})
    trace, world, _ = watched(core, FAR, 6.0)
    full, growth = (float(world.hidden[0, column]) for column in (FULL, GROWTH))
    electrons = core.current_pA * ELECTRONS_PER_PA_S * 0.1
    grown = full * -np.expm1(-electrons * np.arange(60) / growth) * electrons
    gain = float(core.describe().calibration.detector_gain or 1.0)
    np.testing.assert_allclose(trace - trace[0], gain * grown, rtol=1e-9, atol=1e-9 * trace[0])
    assert trace[-1] > trace[0]


@pytest.mark.parametrize("drift_nm_s", [5e-4, 5e-2])
def test_a_beam_that_drifts_sees_what_a_still_one_sees_there(drift_nm_s: float) -> None:
    drifting, still = (StemMicroscope(**{**STILL, "drift_nm_s": value}) for value in (drift_nm_s, 0.0))
    trace, world, _ = watched(drifting, FAR, 3.0)
    drift = world.hidden[0, [DRIFT_X, DRIFT_Y]]
    assert np.hypot(*drift) > 0.0
    for k in (0, 11, 29):
        x, y = np.array(FAR) - drift * (world.clock_s[0] + 0.1 * (k + 0.5))
        there, _, _ = watched(still, (float(x), float(y)), 0.1)
        assert trace[k] == pytest.approx(there[0], rel=0.01)


def test_a_trace_in_which_nothing_happens_counts_every_electron() -> None:
    core = StemMicroscope(**{**STILL, "drift_nm_s": 2e-3})
    trace, world, after = watched(core, FAR, 2.55)
    assert np.isfinite(trace).all()
    assert len(trace) == 26
    electrons = core.current_pA * ELECTRONS_PER_PA_S * 2.55
    assert after.clock_s[0] - world.clock_s[0] == pytest.approx(2.55, rel=1e-12)
    assert core.landed(after, 0).sum() - core.landed(world, 0).sum() == pytest.approx(electrons, rel=1e-9)
    assert trace[-1] == pytest.approx(0.5 * trace[-2], rel=0.01)


@pytest.mark.parametrize(("seconds", "sample_s"), [(6.05, 0.1), (0.7, 0.7), (3.05, 0.3)])
def test_a_dwell_over_a_drifting_sheet_is_booked_where_the_beam_was(seconds: float, sample_s: float) -> None:
    """The line in the book against a path of beams, each at the place of the middle of its time."""
    core, root, longest = StemMicroscope(**{**STILL, "drift_nm_s": 0.02}), keys.keys([3]), 1e-3
    begun = core.begin(root, {})
    dwelt, _ = core.perform(begun, RequestBatch.of(Dwell(FAR, seconds, sample_s)), keys.fold(root, 1))
    count = round(seconds / longest)
    path = BeamPath((FAR,) * count, longest)
    along, _ = core.perform(begun, RequestBatch.of(path), keys.fold(root, 1))
    assert not dwelt.landed.any()
    assert along.landed.any()
    booked, wanted = core.landed(dwelt, 0), core.landed(along, 0)
    assert booked.sum() == pytest.approx(wanted.sum(), rel=1e-9)
    for axis in (0, 1):
        place = np.arange(wanted.shape[axis])
        middle = [float((one.sum(1 - axis) * place).sum() / one.sum()) for one in (booked, wanted)]
        assert middle[0] == pytest.approx(middle[1], abs=1e-6)
    np.testing.assert_allclose(booked, wanted, atol=2e-2 * wanted.max())


def test_counts_of_a_run_are_poisson_around_what_is_expected() -> None:
    silent, noisy = (StemMicroscope(**{**STILL, "counting_noise": noise}) for noise in (False, True))
    expected, _, _ = watched(silent, FAR, 40.0, 0.02)
    counted, _, _ = watched(noisy, FAR, 40.0, 0.02)
    gain = float(noisy.describe().calibration.detector_gain or 1.0)
    spread = (counted - expected) / np.sqrt(gain * expected)
    assert abs(spread.mean()) < 4.0 / np.sqrt(2000)
    assert spread.std() == pytest.approx(1.0, abs=4.0 / np.sqrt(4000))
    assert abs(np.corrcoef(spread[1:], spread[:-1])[0, 1]) < 4.0 / np.sqrt(2000)


def test_a_world_says_how_far_its_maps_and_lists_are_filled() -> None:
    core, root = StemMicroscope(**STILL), keys.keys([1, 2])
    world = core.begin(root, {})
    assert not any(ends.any() for ends in core.filled(world).values())
    look = RequestBatch.of(AtomPositions(ScanImage((0.0, 0.0), (0.6, 0.6), (14, 14), 1e-5)))
    both = RequestBatch(
        look.kind, 2, {name: np.repeat(column, 2, axis=0) for name, column in look.each.items()}, look.shared
    )
    looked, _ = core.perform(world, both, keys.fold(root, 1))
    assert core.filled(looked)["booked"].tolist() == [1, 1]
    assert not core.filled(looked)["landed"].any()
    assert not looked.landed.any(), "it is in the book"
    places = np.array([FAR, FAR])
    each = {"position_nm": places, "longest_s": np.array([1.0, 1.0])}
    dwelt, _ = core.perform(
        looked, RequestBatch("Dwell", 2, each, {"sample_s": 0.1, "until": None}), keys.fold(root, 2)
    )
    assert core.filled(dwelt)["booked"].tolist() == [2, 2]
    assert not dwelt.landed.any(), "it is in the book"
    turned = RequestBatch.of(AtomPositions(ScanImage((0.0, 0.0), (0.6, 0.6), (14, 14), 1e-5, rotation_rad=0.1)))
    scanned = RequestBatch(
        look.kind, 2, {name: np.repeat(column, 2, axis=0) for name, column in turned.each.items()}, turned.shared
    )
    fallen, _ = core.perform(dwelt, scanned, keys.fold(root, 3))
    rows = fallen.landed.shape[1]
    assert core.filled(fallen)["landed"].tolist() == [rows, rows]
    assert not core.filled(fallen)["settled"].any()
    assert fallen.landed.any()
    turned = RequestBatch.of(SetOptics(defocus_nm=3.0))
    lenses = RequestBatch(turned.kind, 2, {n: np.repeat(c, 2, axis=0) for n, c in turned.each.items()}, turned.shared)
    settled, _ = core.perform(looked, lenses, keys.fold(root, 3))
    assert settled.settled.any()
    assert core.filled(settled)["settled"].tolist() == [rows, rows]
