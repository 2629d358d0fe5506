"""Scalarisers against closed forms, with spikes, gaps and axes that do not suit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments import loops
from environments.scalarisers import (
    CoerciveVoltage,
    Function,
    LoopArea,
    PeakEnergy,
    PeakHeight,
    Remanence,
    Scalariser,
    Slope,
    ValueAt,
)
from instruments.errors import DataInvalid
from instruments.twins.hysteresis import staircase

ENERGY = np.arange(400.0, 500.0, 0.5)
ALL = (
    LoopArea(),
    Remanence(),
    CoerciveVoltage(),
    PeakHeight(440, 460, 10),
    PeakEnergy(440, 460, 10),
    ValueAt(0.0),
    Slope(0, 5),
)


def gaussian(center: float, height: float) -> np.ndarray:
    return 3.0 + 0.02 * ENERGY + height * np.exp(-0.5 * ((ENERGY - center) / 3.0) ** 2)


def mean_of(values, axis):
    return values.mean(-1)


def wrong_shape(values, axis):
    return values


def test_a_square_loop_has_its_area_remanence_and_coercive_voltage(two_step_loop) -> None:
    bias, loop = two_step_loop
    assert LoopArea()(loop[None], bias) == pytest.approx(24.0, abs=1.0)
    assert Remanence()(loop[None], bias) == pytest.approx(2.0)
    assert CoerciveVoltage()(loop[None], bias) == pytest.approx(3.0, abs=0.26)


def test_an_ellipse_has_the_area_of_an_ellipse() -> None:
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    x, y = 4.0 * np.sin(angle), 1.5 * np.sin(angle - 0.8)
    exact = np.pi * 4.0 * 1.5 * np.sin(0.8)
    assert LoopArea()(y[None], x) == pytest.approx(exact, rel=1e-4)
    assert LoopArea(signed=True)(y[None], x) == pytest.approx(exact, rel=1e-4)
    assert LoopArea(signed=True)(-y[None], x) == pytest.approx(-exact, rel=1e-4)
    assert Remanence(signed=True)(y[None], x) == pytest.approx(1.5 * np.sin(0.8), rel=1e-3)


@given(scale=st.floats(1e-6, 1e6), offset=st.floats(-5, 5))
def test_areas_scale_and_ignore_offsets(scale, offset) -> None:
    bias = np.array(staircase(-8.0, 8.0, 64))
    loop = np.tanh((bias - np.where(np.roll(bias, -1) > bias, 2.0, -2.0)) / 0.7)
    first = LoopArea()(loop[None], bias)
    assert LoopArea()(scale * (loop + offset)[None], bias) == pytest.approx(scale * first, rel=1e-9)
    assert CoerciveVoltage()(scale * (loop + offset)[None], bias) == pytest.approx(CoerciveVoltage()(loop[None], bias))


def test_several_cycles_count_as_their_mean(two_step_loop) -> None:
    bias, loop = two_step_loop
    three, curves = np.tile(bias, 3), np.concatenate([loop, 2 * loop, 3 * loop])[None]
    assert loops.cycles(three) == 3
    assert LoopArea()(curves, three) == pytest.approx(2 * LoopArea()(loop[None], bias))
    assert Remanence()(curves, three) == pytest.approx(2 * Remanence()(loop[None], bias))


def test_cycles_that_are_not_alike_are_refused(two_step_loop) -> None:
    bias, loop = two_step_loop
    with pytest.raises(DataInvalid, match="not alike"):
        LoopArea()(np.tile(loop, 2)[None], np.concatenate([bias, 0.5 * bias]))


@pytest.mark.parametrize("scalariser", [LoopArea(), Remanence(), CoerciveVoltage()])
def test_a_one_way_sweep_is_no_loop(scalariser) -> None:
    with pytest.raises(DataInvalid, match="one way"):
        scalariser(np.ones((1, 20)), np.linspace(-1, 1, 20))


@pytest.mark.parametrize("scalariser", [LoopArea(), Remanence(), CoerciveVoltage(), ValueAt(1.0)])
@pytest.mark.parametrize("place", [0, 17, 70, 127])
def test_a_lone_spike_changes_next_to_nothing(two_step_loop, scalariser, place) -> None:
    bias, loop = two_step_loop
    noisy = loop + 0.01 * np.random.default_rng(0).standard_normal(len(loop))
    spiky = noisy.copy()
    spiky[place] += 500.0
    assert scalariser(spiky[None], bias) == pytest.approx(scalariser(noisy[None], bias), rel=0.05)


def test_peak_height_and_energy_over_a_sloping_background() -> None:
    curves = np.stack([gaussian(451.3, 8.0), gaussian(447.9, 2.0)])
    assert PeakHeight(440, 462, 5)(curves, ENERGY) == pytest.approx([8.0, 2.0], rel=0.02)
    assert PeakEnergy(440, 462, 5)(curves, ENERGY) == pytest.approx([451.3, 447.9], abs=0.05)


def test_no_peak_has_no_energy() -> None:
    falling = (1e-3 * (ENERGY - 450.0) ** 2)[None]
    assert np.isnan(PeakEnergy(440, 460, 10)(falling, ENERGY))


def test_value_and_slope() -> None:
    line = (2.0 + 3.0 * ENERGY)[None]
    assert ValueAt(433.21)(line, ENERGY) == pytest.approx(2.0 + 3.0 * 433.21)
    assert ValueAt(400.0)(line, ENERGY) == pytest.approx(1202.0)
    assert Slope(420, 470)(line, ENERGY) == pytest.approx(3.0)


def test_value_at_is_the_mean_of_both_passes(two_step_loop) -> None:
    bias, loop = two_step_loop
    assert ValueAt(0.1)(loop[None], bias) == pytest.approx(0.0)
    assert ValueAt(5.0)(loop[None], bias) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("scalariser", "axis"),
    [
        (PeakHeight(600, 610, 5), ENERGY),
        (Slope(1, 2), ENERGY),
        (ValueAt(0.0), ENERGY),
        (PeakEnergy(400.6, 401.2, 5), ENERGY),
    ],
)
def test_a_window_outside_the_axis_is_said(scalariser, axis) -> None:
    with pytest.raises(DataInvalid, match=r"axis|window"):
        scalariser(np.ones((1, len(axis))), axis)


@pytest.mark.parametrize("wrong", [lambda: PeakHeight(5, 4, 1), lambda: Slope(1, 1), lambda: PeakEnergy(2, 1, 1)])
def test_windows_upside_down_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="below"):
        wrong()


def test_missing_samples_give_nan_unless_they_are_not_needed(two_step_loop) -> None:
    bias, loop = two_step_loop
    gap = loop.copy()
    gap[60:70] = np.nan
    for scalariser in (LoopArea(), Remanence(), CoerciveVoltage()):
        assert np.isnan(scalariser(np.stack([gap, loop]), bias)).tolist() == [True, False]
    partial = gaussian(450.0, 5.0)
    partial[180:] = np.nan
    assert np.isfinite(PeakHeight(440, 460, 10)(partial[None], ENERGY))
    assert np.isnan(PeakHeight(440, 460, 30)(partial[None], ENERGY))


@pytest.mark.parametrize("scalariser", ALL)
def test_a_row_does_not_depend_on_how_many_there_are(scalariser) -> None:
    bias = np.array(staircase(-8.0, 8.0, 96))
    axis = ENERGY if isinstance(scalariser, PeakHeight | PeakEnergy) else bias
    curves = np.random.default_rng(1).standard_normal((7, len(axis))) + np.sin(np.arange(len(axis)) / 9)
    together = scalariser(curves, axis)
    alone = np.concatenate([scalariser(c[None], axis) for c in curves])
    assert np.array_equal(together, alone, equal_nan=True)


def test_units_come_from_channel_and_axis() -> None:
    assert [s.unit("pm", "V") for s in ALL] == ["V pm", "pm", "V", "pm", "V", "pm", "pm/V"]
    assert LoopArea().unit("a.u.", "") == "a.u."
    assert all(isinstance(s, Scalariser) and s.name for s in ALL)


def test_a_function_named_in_yaml(monkeypatch) -> None:
    import sys
    import types

    module = types.ModuleType("my_scalars")
    module.mean_of, module.wrong_shape, module.number = mean_of, wrong_shape, 3
    monkeypatch.setitem(sys.modules, "my_scalars", module)
    mine = Function("my_scalars:mean_of", units="pm")
    assert mine(np.arange(6.0).reshape(2, 3), np.arange(3.0)).tolist() == [1.0, 4.0]
    assert (mine.name, mine.unit("x", "y")) == ("mean_of", "pm")
    with pytest.raises(DataInvalid, match="shape"):
        Function("my_scalars:wrong_shape")(np.ones((2, 3)), np.arange(3.0))
    for path, said in (
        ("my_scalars", "my_module:my_function"),
        ("absent:f", "absent"),
        ("my_scalars:g", "no attribute"),
    ):
        with pytest.raises(ValueError, match=said):
            Function(path)
    with pytest.raises(ValueError, match="not a function"):
        Function("my_scalars:number")
