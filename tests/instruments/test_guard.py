"""The guard's rule, the account and the fluence map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.account import Account, FluenceMap, footprint_nm
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.cost import Cost, electrons
from instruments.errors import CalibrationUnknown, OutOfReach
from instruments.guard import Limits, Refusal, Zone, check, require_current
from instruments.requests import (
    BiasSpectroscopy,
    LineScan,
    PointSpectrum,
    Register,
    ScanImage,
    SetFeedback,
    TipPath,
)

FIELD = Field((0.0, 0.0), (100.0, 100.0))
SPOT = PointSpectrum((10.0, -20.0), 1.0)
IMAGE = ScanImage((0.0, 0.0), (40.0, 20.0), (20, 40), 1e-5)


def account() -> Account:
    return Account(FIELD, 1.0)


def verdict(request, limits: Limits, price: Cost | None = None, on: Account | None = None):
    return check(request, price or Cost(seconds=1.0), on or account(), limits)


def test_no_limits_let_everything_pass_at_its_price():
    assert verdict(SPOT, Limits(), Cost(2.0, 5.0)) == Cost(2.0, 5.0)


@pytest.mark.parametrize(
    ("request_", "limits", "rule"),
    [
        (SPOT, Limits(seconds=0.5), "seconds"),
        (BiasSpectroscopy((0, 0), -9, 5, 8, 1e-3), Limits(bias_V=8), "bias"),
        (SetFeedback(True, setpoint_nN=50.0), Limits(force_nN=20), "force"),
        (SPOT, Limits(exclude=(Zone((11.0, -20.0), 2.0),)), "exclusion zone"),
        (IMAGE, Limits(exclude=(Zone((0.0, 0.0), 1.0),)), "exclusion zone"),
        (TipPath(((-40, 0), (40, 0)), 10.0), Limits(exclude=(Zone((0.0, 1.0), 2.0),)), "exclusion zone"),
        (TipPath(((-40, 0), (40, 0)), 10.0), Limits(travel_nm=79.0), "travel"),
    ],
)
def test_each_rule_refuses(request_, limits, rule):
    refusal = verdict(request_, limits)
    assert isinstance(refusal, Refusal)
    assert refusal.rule == rule


@pytest.mark.parametrize(
    ("request_", "limits"),
    [
        (SPOT, Limits(exclude=(Zone((20.0, -20.0), 2.0),))),
        (IMAGE, Limits(exclude=(Zone((0.0, 15.0), 2.0),))),
        (TipPath(((-40, 0), (40, 0)), 10.0), Limits(travel_nm=81.0)),
        (BiasSpectroscopy((0, 0), -9, 5, 8, 1e-3), Limits(bias_V=9)),
        (Register((1.0, 1.0)), Limits(exclude=(Zone((0.0, 0.0), 50.0),))),
    ],
)
def test_what_lies_outside_a_rule_passes(request_, limits):
    assert isinstance(verdict(request_, limits), Cost)


def test_totals_count_what_was_booked_and_are_final():
    book = account()
    book.book("a", SPOT, Cost(seconds=3.0, electrons=100.0))
    refusal = verdict(SPOT, Limits(electrons=150.0), Cost(1.0, 60.0), book)
    assert isinstance(refusal, Refusal)
    assert refusal.final
    assert isinstance(verdict(SPOT, Limits(electrons=160.0), Cost(1.0, 60.0), book), Cost)


def test_the_worst_case_stays_booked_until_it_is_settled():
    book = account()
    book.book("a", SPOT, Cost(3.0, 100.0))
    book.book("a", SPOT, Cost(3.0, 100.0))
    assert book.booked == Cost(3.0, 100.0)
    book.settle("a", Cost(1.0, 40.0))
    assert book.booked == Cost(1.0, 40.0)
    assert book.peak_fluence_e_A2 == pytest.approx(40.0 / 100.0)


def test_fluence_of_one_place_adds_up_and_of_two_does_not():
    limits = Limits(fluence_e_A2=1.5)
    book = account()
    book.book("a", SPOT, Cost(1.0, 100.0))
    elsewhere = PointSpectrum((30.0, 30.0), 1.0)
    assert isinstance(verdict(elsewhere, limits, Cost(1.0, 100.0), book), Cost)
    refusal = verdict(SPOT, limits, Cost(1.0, 100.0), book)
    assert isinstance(refusal, Refusal)
    assert refusal.rule == "fluence"


def test_an_image_spreads_its_electrons_evenly():
    book = account()
    book.book("a", IMAGE, Cost(1.0, 8e4))
    assert book.peak_fluence_e_A2 == pytest.approx(8e4 / (40.0 * 20.0 * 100.0))


def test_the_map_holds_what_was_added_wherever_it_fell():
    fluence = FluenceMap(FIELD, 2.0)
    fluence.add(footprint_nm(LineScan((-30.0, 0.0), (30.0, 10.0), 10, 1e-3), 2.0), 1e3)
    fluence.add(np.array([[1e6, 1e6]]), 10.0)
    assert fluence.map_e_A2.sum() * 400.0 == pytest.approx(1010.0)


@given(st.floats(0.1, 50), st.floats(0.1, 50), st.floats(0, 3.0), st.floats(1, 1e8))
def test_peak_with_foretells_add(width, height, rotation, dose):
    fluence = FluenceMap(FIELD, 1.0)
    places = footprint_nm(ScanImage((0.0, 0.0), (width, height), (4, 4), 1e-6, rotation), 1.0)
    foretold = fluence.peak_with(places, dose)
    fluence.add(places, dose)
    assert fluence.map_e_A2.max() == pytest.approx(foretold)


def test_a_pixel_too_small_for_the_field_says_what_to_set():
    with pytest.raises(OutOfReach, match="fluence_pixel_nm"):
        FluenceMap(FIELD, 0.001)


def test_dose_limits_need_a_known_current():
    def stem(current):
        return Capabilities("x", "STEM", True, frozenset(), FIELD, {}, Calibration(current_pA=current))

    with pytest.raises(CalibrationUnknown, match="current_pA"):
        require_current(stem(None))
    require_current(stem(50.0))


def test_electrons_of_a_picoampere_second():
    assert electrons(1.0, 1.0) == pytest.approx(6.2415e6, rel=1e-5)
