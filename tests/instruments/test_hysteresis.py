import dataclasses

import numpy as np
import pytest

from instruments.twins.hysteresis import LoopParameters, area, remanence, response, staircase, switching

POINTS = 256
FULL = staircase(-10.0, 10.0, POINTS, 2)


def loops(**changed: float) -> LoopParameters:
    """One loop: coercive biases 3 and -2 V, amplitude 20 pm, nothing else."""
    plain = {"up": 0.0, "rise_V": 3.0, "fall_V": -2.0, "width_V": 0.5, "amplitude_pm": 20.0}
    plain |= {"offset_pm": 0.0, "charge_pm": 0.0, "slope_pm_V": 0.0}
    return LoopParameters(**{name: np.array([value]) for name, value in (plain | changed).items()})


def steady(loop: LoopParameters) -> np.ndarray:
    return response(loop, FULL)[0, POINTS:]


def area_of(loop: LoopParameters) -> float:
    return float(area(FULL[POINTS:], steady(loop)))


def test_the_staircase_goes_up_down_and_back_in_equal_steps() -> None:
    assert staircase(-2.0, 4.0, 12).tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, -1, -2, -1]
    assert staircase(-2.0, 4.0, 12, 2).tolist() == 2 * staircase(-2.0, 4.0, 12).tolist()


def test_the_staircase_cannot_be_spoilt_by_who_reads_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        staircase(-1.0, 1.0, 8)[0] = 5.0


def test_a_full_loop_saturates_crosses_at_its_coercive_biases_and_encloses_height_times_width() -> None:
    loop = steady(loops())
    bias = FULL[POINTS:]
    rising, falling = np.roll(bias, -1) > bias, np.roll(bias, -1) < bias
    np.testing.assert_allclose([loop.min(), loop.max()], [-20, 20], atol=1e-6)
    up = rising & (bias > 0)
    assert np.interp(0.0, loop[up], bias[up]) == pytest.approx(3.0, abs=0.02)
    down = falling & (bias < 0)
    assert np.interp(0.0, loop[down][::-1], bias[down][::-1]) == pytest.approx(-2.0, abs=0.02)
    assert area_of(loops()) == pytest.approx(2 * 20 * 5, rel=1e-3)


def test_the_second_cycle_closes_and_repeats() -> None:
    three = switching(loops(), staircase(-10.0, 10.0, POINTS, 3))[0].reshape(3, POINTS)
    np.testing.assert_allclose(three[1], three[2], atol=1e-9)
    assert abs(three[1, -1] - three[2, 0]) < 1e-3


def test_the_first_cycle_begins_in_the_as_grown_state() -> None:
    for up in (0.0, 0.3, 1.0):
        assert switching(loops(up=up), FULL)[0, 0] == up
    grown_up = switching(loops(up=1.0), FULL)[0]
    assert np.all(grown_up[: POINTS // 4] == 1.0)
    assert grown_up[POINTS] < 1e-3


def test_the_area_grows_with_coercivity_and_amplitude() -> None:
    assert area_of(loops(rise_V=4.0)) > area_of(loops()) > area_of(loops(rise_V=2.0))
    assert area_of(loops(amplitude_pm=25.0)) == pytest.approx(1.25 * area_of(loops()))


def test_imprint_moves_the_loop_and_keeps_its_area() -> None:
    assert area_of(loops(rise_V=3.7, fall_V=-1.3)) == pytest.approx(area_of(loops()), rel=1e-3)


def test_offset_and_slope_leave_the_area() -> None:
    assert area_of(loops(offset_pm=9.0, slope_pm_V=2.0)) == pytest.approx(area_of(loops()))


def test_injected_charge_adds_the_area_of_its_ellipse() -> None:
    assert area_of(loops(charge_pm=4.0)) - area_of(loops()) == pytest.approx(np.pi * 10 * 4, rel=2e-3)


def test_a_sweep_that_is_too_small_switches_a_part_only() -> None:
    sizes = [2.0, 3.0, 4.0, 10.0]
    spans = [np.ptp(response(loops(), staircase(-size, size, POINTS, 9))[0, -POINTS:]) for size in sizes]
    assert spans == sorted(spans)
    assert spans[0] < 10 < spans[1] < 39.9 < spans[3]


def test_remanence_is_half_the_opening_at_no_bias() -> None:
    wide = loops(width_V=2.5)
    loop, bias = steady(wide), FULL[POINTS:]
    at_zero = loop[np.abs(bias) < 1e-12]
    assert len(at_zero) == 2
    assert float(remanence(wide)[0]) == pytest.approx((at_zero[1] - at_zero[0]) / 2, rel=0.02)


def test_a_row_of_a_batch_is_the_row_alone_bit_for_bit() -> None:
    rng = np.random.default_rng(1)
    fields = [f.name for f in dataclasses.fields(LoopParameters)]
    many = LoopParameters(**{name: rng.uniform(0.2, 0.9, 33) for name in fields})
    whole = response(many, FULL)
    for row in (0, 7, 32):
        alone = LoopParameters(**{name: getattr(many, name)[row : row + 1] for name in fields})
        assert response(alone, FULL)[0].tobytes() == whole[row].tobytes()
