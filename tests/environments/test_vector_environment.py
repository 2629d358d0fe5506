"""The batched environment is N single ones, bit for bit, in every autoreset mode."""

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from environments.environment import Environment
from environments.scalarisers import LoopArea
from environments.tasks.find_peak import FindPeak
from environments.tasks.spectroscopy_map import SpectroscopyMap
from environments.vector import VectorEnvironment
from instruments.embedded import Embedded
from instruments.errors import NotSupported
from instruments.twins.ferroelectric_film import FerroelectricFilm
from instruments.twins.flat import Flat


def pair(core, task, mode, n=3, max_steps=4):
    singles = SyncVectorEnv(
        [lambda: Environment(Embedded(core), task, max_steps=max_steps) for _ in range(n)], autoreset_mode=mode
    )
    return singles, VectorEnvironment(core, task, n, max_steps=max_steps, autoreset_mode=mode)


def assert_same_info(a, b, n) -> None:
    """Equal where either says that a row has it; Gymnasium leaves keys out that no row has."""
    for key in {k for k in a.keys() | b.keys() if not k.startswith("_")}:
        nothing = np.zeros(n, bool)
        has_a, has_b = a.get(f"_{key}", nothing), b.get(f"_{key}", nothing)
        assert np.array_equal(has_a, has_b), key
        if not has_a.any():
            continue
        if key == "final_info":
            assert_same_info(a[key], b[key], n)
        elif key == "final_obs":
            for row in np.flatnonzero(has_a):
                assert all(np.array_equal(a[key][row][k], b[key][row][k]) for k in a[key][row])
        else:
            assert np.array_equal(a[key][has_a], b[key][has_a]), key


def assert_same(a, b, n) -> None:
    assert a[0].keys() == b[0].keys()
    for name in a[0]:
        assert a[0][name].dtype == b[0][name].dtype
        assert np.array_equal(a[0][name], b[0][name]), name
    for left, right in zip(a[1:-1], b[1:-1], strict=True):
        assert np.array_equal(left, right)
    assert_same_info(a[-1], b[-1], n)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("which", ["flat", "small", "film", "map"])
def test_equals_single_environments(small_film, mode, which) -> None:
    core, task = {
        "flat": (Flat(noise=0.1), FindPeak(tries=3)),
        "small": (small_film(), SpectroscopyMap(LoopArea(), shape=(1, 3))),
        "film": (FerroelectricFilm(failure_rate=0.3, grid=16), SpectroscopyMap(LoopArea())),
        "map": (small_film(noise=0.3), SpectroscopyMap(LoopArea(), shape=(3, 3), objective="map")),
    }[which]
    singles, batched = pair(core, task, mode, max_steps=5)
    assert_same(singles.reset(seed=11), batched.reset(seed=11), 3)
    rng = np.random.default_rng(0)
    ended = np.zeros(3, bool)
    for _ in range(14):
        actions = rng.uniform(-1, 1, (3, 2)).astype(np.float32)
        a, b = singles.step(actions), batched.step(actions)
        assert_same(a, b, 3)
        ended |= b[2] | b[3]
    assert ended.all()


def test_rows_that_end_at_different_times_stay_equal(small_film) -> None:
    core, task = small_film(noise=0.2), SpectroscopyMap(LoopArea(), shape=(1, 3))
    singles, batched = pair(core, task, AutoresetMode.SAME_STEP, max_steps=None)
    assert_same(singles.reset(seed=2), batched.reset(seed=2), 3)
    patterns = np.array([[-0.9, 0.0, 0.9, -0.9], [-0.9, -0.9, 0.0, 0.9], [0.0, 0.0, 0.0, 0.0]])
    lengths = set()
    for step in range(20):
        actions = np.stack([patterns[:, step % 4], np.zeros(3)], axis=-1).astype(np.float32)
        a, b = singles.step(actions), batched.step(actions)
        assert_same(a, b, 3)
        lengths.add(tuple(b[2].tolist()))
    assert len(lengths) > 2


def test_disabled_waits_for_a_partial_reset(small_film) -> None:
    singles, batched = pair(small_film(), SpectroscopyMap(LoopArea(), shape=(1, 2)), AutoresetMode.DISABLED)
    singles.reset(seed=0)
    batched.reset(seed=0)
    for x in ([-0.5, -0.5, 0.5], [0.5, -0.5, -0.5]):
        actions = np.stack([x, np.zeros(3)], axis=-1).astype(np.float32)
        assert_same(singles.step(actions), batched.step(actions), 3)
    with pytest.raises(ResetNeeded, match=r"\[0, 2\]"):
        batched.step(actions)
    mask = np.array([True, False, True])
    a = singles.reset(options={"reset_mask": mask.copy()})
    b = batched.reset(options={"reset_mask": mask})
    assert_same(a, b, 3)
    assert_same(singles.step(actions), batched.step(actions), 3)


def test_the_dead_step_ignores_its_action(small_film) -> None:
    _, batched = pair(small_film(), SpectroscopyMap(LoopArea()), AutoresetMode.NEXT_STEP, max_steps=1)
    batched.reset(seed=0)
    batched.step(np.zeros((3, 2), np.float32))
    observation, reward, terminated, truncated, _ = batched.step(np.full((3, 2), np.nan, np.float32))
    assert not reward.any()
    assert not (terminated | truncated).any()
    assert not observation["measured"].any()


def test_observations_of_successive_steps_share_no_memory(small_film) -> None:
    _, batched = pair(small_film(), SpectroscopyMap(LoopArea()), AutoresetMode.NEXT_STEP)
    first, _ = batched.reset(seed=0)
    second = batched.step(np.zeros((3, 2), np.float32))[0]
    assert not any(np.shares_memory(first[k], second[k]) for k in first)


def test_metadata_advertises_the_mode(small_film) -> None:
    for mode in AutoresetMode:
        assert pair(small_film(), SpectroscopyMap(LoopArea()), mode)[1].metadata["autoreset_mode"] is mode


def test_what_is_not_a_core_is_refused(small_film) -> None:
    with pytest.raises(NotSupported, match="no core"):
        VectorEnvironment(Embedded(small_film()), SpectroscopyMap(LoopArea()), 2)


def test_bad_resets_are_refused(small_film) -> None:
    _, batched = pair(small_film(), SpectroscopyMap(LoopArea()), AutoresetMode.DISABLED)
    with pytest.raises(ResetNeeded):
        batched.step(np.zeros((3, 2)))
    with pytest.raises(ResetNeeded, match="all environments"):
        batched.reset(options={"reset_mask": np.array([True, False, False])})
    with pytest.raises(ValueError, match="2 seeds for 3"):
        batched.reset(seed=[1, 2])
    with pytest.raises(TypeError, match="bool array"):
        batched.reset(options={"reset_mask": [True, False, False]})
    with pytest.raises(ValueError, match="names no environment"):
        batched.reset(options={"reset_mask": np.zeros(3, bool)})
    with pytest.raises(ValueError, match="at least 1"):
        VectorEnvironment(small_film(), SpectroscopyMap(LoopArea()), 0)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_samples_made_ahead_are_the_same_ones(small_film, mode) -> None:
    """Rows end at different times; some are reset by name, with a seed and without, while samples lie ready."""
    core, task = small_film(noise=0.2), SpectroscopyMap(LoopArea(), shape=(1, 3))
    plain, ahead = (VectorEnvironment(core, task, 5, autoreset_mode=mode, ahead=flag) for flag in (False, True))
    assert_same(plain.reset(seed=2), ahead.reset(seed=2), 5)
    rng, ends = np.random.default_rng(0), set()
    for step in range(60):
        actions = rng.choice([-0.9, 0.0, 0.9], (5, 2)).astype(np.float32)
        a, b = plain.step(actions), ahead.step(actions)
        assert_same(a, b, 5)
        ends.add(tuple((b[2] | b[3]).tolist()))
        if step % 13 == 5:
            mask = rng.random(5) < 0.5
            seeds = [int(rng.integers(99)) if step % 2 and i % 2 else None for i in range(5)]
            options = {"reset_mask": mask}
            assert_same(plain.reset(seed=seeds, options=options), ahead.reset(seed=seeds, options=options), 5)
    assert len(ends) > 3
    assert_same(plain.reset(), ahead.reset(), 5)
