import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from agents.protocol import AgentError, Problem, Transition
from agents.tuning.phase_diversity import PhaseDiversity
from environments.environment import Environment
from environments.tasks.tune_aberrations import TuneAberrations, contrast
from environments.vector import VectorEnvironment
from experiments.campaign.problem import problem_of
from instruments.embedded import Embedded
from instruments.errors import CalibrationUnknown, InvalidRequest, NotSupported
from instruments.twins.flat import Flat
from instruments.twins.stem.lenses import Lenses
from instruments.twins.stem.optical_bench import OpticalBench
from physics_priors.optics.aberrations import COUNT, aberrations
from physics_priors.optics.diversity import Options, Series, diversity, estimate
from physics_priors.optics.probe import Column, intensity

COLUMN = Column(60.0, 30.0, 0.08)
CORE = OpticalBench(field_nm=10.0, lenses=Lenses(0.0, 0.0, 0.0, 0.0, 0.0), drift_nm_s=0.0)
TASK = TuneAberrations(frames=8, size_nm=8.0, shape=(96, 96))


def environment(core: OpticalBench = CORE, task: TuneAberrations = TASK) -> Environment:
    return Environment(Embedded(core), task)


def action(verdict: float = 0.0, **steps: float) -> np.ndarray:
    order = ("C1", "A1", "A1i", "B2", "B2i", "A2", "A2i", "C3")
    return np.array([verdict, *(steps.get(name, 0.0) for name in order)], dtype=np.float32)


def now(env: Environment) -> np.ndarray:
    return np.array(env.instrument.truth()["aberrations_nm"])  # type: ignore[attr-defined]


def test_gymnasium_accepts_it() -> None:
    check_env(environment(), skip_render_check=True)


def test_a_step_is_relative_and_bounded() -> None:
    env = environment()
    env.reset(seed=1)
    before = now(env)
    env.step(action(C1=0.5, A1i=-1.0))
    np.testing.assert_allclose((now(env) - before)[:2], [50.0, -60.0j], atol=1e-4)
    with pytest.raises(ValueError, match="action"):
        env.step(action(C1=1.5))


def test_undoing_takes_back_all_since_the_last_acceptance() -> None:
    env = environment()
    env.reset(seed=1)
    env.step(action(C1=0.2))
    kept = now(env)
    env.step(action(verdict=1.0, C1=0.3))
    seen, *_ = env.step(action(B2=0.5))
    assert seen["since_accepted"][[0, 3]] == pytest.approx([0.3, 0.5])
    seen, *_ = env.step(action(verdict=-1.0))
    np.testing.assert_allclose(now(env), kept, atol=1e-3)
    assert np.all(seen["since_accepted"] == 0)


def test_the_reward_is_the_gain_of_contrast_and_the_episode_ends() -> None:
    env = environment()
    first, _ = env.reset(seed=1)
    values, rewards, ended = [float(first["contrast"][0])], [], False
    while not ended:
        seen, reward, ended, _, _ = env.step(action(C1=0.02))
        values.append(float(seen["contrast"][0]))
        rewards.append(reward)
    assert len(rewards) == 7
    np.testing.assert_allclose(rewards, np.diff(values), atol=1e-5)
    assert seen["progress"][0] == 1.0


def test_many_are_each_of_them() -> None:
    vector = VectorEnvironment(CORE, TASK, 2)
    seen, _ = vector.reset(seed=5)
    both = np.stack([action(C1=0.1), action(A1=0.3)])
    after, *_ = vector.step(both)
    single = environment()
    alone, _ = single.reset(seed=6)
    np.testing.assert_array_equal(seen["image"][1], alone["image"])
    np.testing.assert_array_equal(after["image"][1], single.step(both[1])[0]["image"])


def test_contrast_knows_no_shot_noise() -> None:
    drawn = np.random.default_rng(0).poisson(10.0, (1, 256, 256))
    assert contrast(drawn)[0] < 0.03
    assert contrast(drawn * (1.0 + 0.5 * np.sin(np.arange(256))))[0] == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def test_truth_is_not_in_what_an_agent_sees() -> None:
    env = environment()
    seen, info = env.reset(seed=1)
    hidden = now(env)
    numbers = np.concatenate([np.ravel(v) for name, v in seen.items() if name != "image"])
    for value in (*hidden.real[:5], *hidden.imag[1:4]):
        assert np.abs(numbers - value).min() > 1e-3
    assert not {"strehl", "aberrations_nm"} & (set(seen) | set(info))


def test_what_cannot_serve_is_refused() -> None:
    with pytest.raises(NotSupported):
        TASK.check(Flat().describe())
    from dataclasses import replace

    blind = replace(CORE.describe(), calibration=replace(CORE.describe().calibration, beam_energy_keV=None))
    with pytest.raises(CalibrationUnknown):
        TASK.check(blind)
    with pytest.raises(InvalidRequest, match="unknown aberration"):
        TuneAberrations(names=("C2",), largest_nm=(1.0,))
    with pytest.raises(InvalidRequest, match="one length"):
        TuneAberrations(names=("C1",), largest_nm=(1.0, 2.0))


def images(values: np.ndarray, changes: np.ndarray, electrons: float) -> np.ndarray:
    """Random points seen by probes of known aberrations, on a periodic field of 8 nm, with shot noise."""
    rng = np.random.default_rng(2)
    points = np.zeros((160, 160))
    points[rng.integers(0, 160, 60), rng.integers(0, 160, 60)] = 1.0
    probes = intensity(COLUMN, values + changes, (320, 320), (8.0, 8.0))
    fine = np.kron(points, np.array([[1.0, 0.0], [0.0, 0.0]]))
    clean = np.fft.irfft2(np.fft.rfft2(np.fft.ifftshift(probes, axes=(1, 2))) * np.fft.rfft2(fine), s=(320, 320))
    return rng.poisson(np.maximum(electrons * clean[:, ::2, ::2], 0.0) + 0.02).astype(float)


def test_three_images_tell_the_aberrations() -> None:
    truth = aberrations({"C1": -4.0, "A1": 3 + 2j, "B2": 40 - 30j, "A2": 20 + 50j})
    changes = diversity([0.0, 8.0, -8.0])
    series = Series(images(truth, changes, 4e4), changes, (8.0, 8.0))
    options = Options(names=("C1", "A1", "B2", "A2"), size=10.0, bands_1_nm=(1.2, 2.4, 4.5))
    found = estimate(COLUMN, series, options)
    np.testing.assert_allclose(found.aberrations_nm[:2], truth[:2], atol=0.6)
    np.testing.assert_allclose(found.aberrations_nm[2:4], truth[2:4], atol=12.0)
    assert 0 < found.deviation_nm[0] < 0.6
    assert np.isinf(found.deviation_nm[4])


def test_a_wrong_sign_of_the_known_change_gives_a_wrong_answer() -> None:
    """So the signs of defocus and astigmatism really come from the known change."""
    truth = aberrations({"C1": -4.0, "A1": 3 + 2j})
    changes = diversity([0.0, 8.0, -8.0])
    seen = images(truth, changes, 4e4)
    options = Options(names=("C1", "A1"), size=10.0, bands_1_nm=(1.2, 2.4, 4.5))
    found = estimate(COLUMN, Series(seen, -changes, (8.0, 8.0)), options).aberrations_nm
    assert found[0].real == pytest.approx(4.0, abs=1.0)


def episode(
    agent: PhaseDiversity, steps: int, seed: int = 3
) -> tuple[list[np.ndarray], list[float], dict[str, object]]:
    env = environment(OpticalBench(), TuneAberrations(frames=steps + 1))
    seen, _ = env.reset(seed=seed)
    agent.begin(problem_of(env.brief(), env.action_space), seed)
    actions, strehl = [], []
    for step in range(steps):
        decision = agent.act(seen)
        seen, reward, ended, _, info = env.step(decision.action.astype(np.float32))
        agent.tell(Transition(step, decision, info["value"], np.ones(step + 1, bool), reward, seen, ended))
        actions.append(decision.action)
        strehl.append(env.instrument.truth()["strehl"])  # type: ignore[attr-defined]
    return actions, strehl, agent.state()


def test_the_agent_tunes_a_column_and_resumes_where_it_was() -> None:
    agent = PhaseDiversity()
    actions, strehl, state = episode(agent, 12)
    assert strehl[0] < 0.05
    assert max(strehl) > 0.8
    other = PhaseDiversity()
    other.begin(Problem(-np.ones(9), np.ones(9), "maximise", "contrast", "", images={"before": np.ones((256, 256))}), 3)
    other.restore(state)
    seen = {"image": np.ones((256, 256), np.float32), "contrast": np.array([1.0, 1.0]), "progress": np.array([0.5])}
    seen |= {
        "largest_nm": TASK.scale_nm,
        "since_accepted": np.zeros(8),
        "calibration": np.array([60.0, 30.0, 16.0, 16.0]),
    }
    np.testing.assert_array_equal(other.act(seen).action, agent.act(seen).action)
    assert all(np.all(np.abs(a) <= 1.0) for a in actions)


def test_the_agent_refuses_what_is_not_its_task() -> None:
    agent = PhaseDiversity()
    with pytest.raises(AgentError, match="actions of 9 numbers"):
        agent.begin(Problem(-np.ones(2), np.ones(2), "maximise", "height", "nm"), 0)
    with pytest.raises(AgentError, match="image of before"):
        agent.begin(Problem(-np.ones(9), np.ones(9), "maximise", "height", "nm"), 0)
    with pytest.raises(ValueError, match="names"):
        PhaseDiversity(names=("A1",))


def test_all_aberrations_have_a_place() -> None:
    assert len(TuneAberrations().scale_nm) == 8
    assert COUNT == 14
