"""The physics inside of the scanning probe twin: Landau dynamics, tip, topography, height loop, waveforms."""

from typing import Any

import numpy as np
import pytest

from instruments import keys
from instruments.twins.spm import kernels
from instruments.twins.spm.sample import COERCIVE_FIELD, convolved
from instruments.twins.spm.scanning_probe import ScanningProbe
from instruments.twins.spm.waveforms import forc
from physics_priors.lgd.tip import FIELD_HALF_WIDTH

Array = np.ndarray[Any, Any]


def relaxed(start: Array, field: float, gradient: float, steps: int) -> Array:
    """A map with a fixed rim, after `steps` under a uniform field."""
    p = np.pad(start, 1, mode="edge")
    kernels.relax(p, np.empty_like(p), np.full(start.shape, field), np.ones(start.shape), gradient, steps)
    return np.array(p[1:-1, 1:-1])


@pytest.mark.parametrize(("share", "turned"), [(0.99, False), (1.01, True)])
def test_a_uniform_crystal_turns_at_its_coercive_field(share: float, turned: bool) -> None:
    p = np.full((7, 7), -1.0)
    for _ in range(40):
        p = relaxed(p.mean() * np.ones((7, 7)), share * COERCIVE_FIELD, 0.0, 200)
    assert (p.mean() > 0) == turned


def test_a_driven_wall_moves_at_three_halves_of_its_width_times_the_field() -> None:
    gradient, field, steps = 1.2, 0.05, 150
    width = np.sqrt(2 * gradient)
    x = np.arange(61.0)
    start = np.tile(np.tanh((20.0 - x) / width), (141, 1))
    positions = []
    for count in (steps, 2 * steps):
        profile = relaxed(start, field, gradient, count)[70]
        at = int(np.flatnonzero(np.diff(np.sign(profile)))[0])
        positions.append(at + profile[at] / (profile[at] - profile[at + 1]))
    speed = (positions[1] - positions[0]) / (steps * kernels.STEP)
    assert speed == pytest.approx(1.5 * field * width, rel=0.07)  # a wall of 1.5 pixels feels the grid


@pytest.mark.parametrize(
    ("shape", "half"), [("sphere", FIELD_HALF_WIDTH), ("disc", FIELD_HALF_WIDTH), ("lorentzian", 1.0)]
)
def test_the_field_of_a_tip_is_half_at_its_half_width(shape: Any, half: float) -> None:
    world = ScanningProbe(grid=32, field_nm=400.0, tip_shape=shape).begin(keys.keys(0), {})
    _, distance, exponent = world.tip[0, :3]
    assert (1.0 + (half * distance) ** 2 / distance**2) ** -exponent == pytest.approx(0.5)
    assert distance > 1.0


def test_a_spike_looks_like_the_tip_and_a_flat_surface_flat() -> None:
    height = np.zeros((1, 21, 21))
    height[0, 10, 10] = 3.0
    traced = convolved(height, np.array([50.0]), 5.0)[0]
    sphere = np.maximum(3.0 - (50.0 - np.sqrt(50.0**2 - (5.0 * np.arange(11)) ** 2)), 0.0)
    np.testing.assert_allclose(traced[10, 10:], sphere)
    assert np.all(traced >= height[0])
    np.testing.assert_array_equal(convolved(np.ones((1, 8, 8)), np.array([50.0]), 5.0), 1.0)


def tracked(surface: Array, dwell_s: float, gains: tuple[float, float], setpoint_nm: float = 20.0) -> Array:
    """Height, mean and largest deflection [3, lines, points] of the default piezo and detector without noise."""
    found = np.empty((3, 1, *surface.shape))
    loop, plant = np.array([[1.0, *gains, setpoint_nm]]), (2 * np.pi * 1500.0, 5.0, 5e-5)
    kernels.track(surface[None], np.zeros((1, *surface.shape)), loop, np.array([dwell_s]), plant, found)
    return found[:, 0]


def test_the_height_loop_follows_slow_hills_and_lags_behind_fast_ones() -> None:
    hill = 5.0 * np.sin(np.linspace(0, 6 * np.pi, 200))[None]
    slow, fast = (np.abs(tracked(hill, dwell, (0.1, 800.0))[1]).max() for dwell in (2e-3, 5e-5))
    assert slow == pytest.approx(np.diff(hill[0]).max() / 2e-3 / 800.0, rel=0.05)  # slope over integral gain
    assert fast > 2.0


def test_too_much_gain_makes_the_height_loop_oscillate() -> None:
    step = np.concatenate([np.zeros(50), np.ones(400)])[None]
    calm, wild = (np.ptp(tracked(step, 1e-4, gains)[0][0, -100:]) for gains in ((0.1, 800.0), (1.5, 800.0)))
    assert calm < 1e-3
    assert wild > 5.0


def test_a_tip_pressed_too_little_falls_off_a_cliff_more_slowly() -> None:
    cliff = np.concatenate([np.full(50, 40.0), np.zeros(150)])[None]
    heights = [tracked(cliff, 2e-4, (0.05, 300.0), setpoint)[0][0, 60] for setpoint in (1.0, 60.0)]
    assert heights[0] > heights[1] + 10.0


def test_a_loop_that_is_off_stands_still() -> None:
    surface = np.sin(np.linspace(0, 9, 100))[None]
    found = np.empty((3, 1, 1, 100))
    kernels.track(surface[None], np.zeros((1, 1, 100)), np.array([[0.0, 0.1, 800.0, 20.0]]), np.array([1e-3]),
                  (9e3, 5.0, 5e-5), found)  # fmt: skip
    assert np.ptp(found[0]) < 1e-9
    assert np.ptp(found[1]) > 1.0


def test_reversal_curves_begin_at_saturation_and_reach_further_each_time() -> None:
    curves = np.array(forc(6.0, 5, 10)).reshape(5, 10)
    assert np.all(curves[:, 0] == -6.0)
    np.testing.assert_allclose(curves.max(1), [-3.6, -1.2, 1.2, 3.6, 6.0])
    with pytest.raises(ValueError, match="reversals"):
        forc(6.0, 0, 10)
