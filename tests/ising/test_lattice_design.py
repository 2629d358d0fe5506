"""The library, the ordering layer, their tasks, and the agent that images where most is to be learned."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.baselines.raster import Raster
from agents.lattice.information_gain import InformationGain
from agents.protocol import AgentError, Problem, Transition
from environments.environment import Environment
from environments.lattice_images import Look
from environments.tasks.learn_interactions import LearnInteractions
from environments.tasks.map_phase_diagram import MapPhaseDiagram
from environments.vector import VectorEnvironment
from experiments.campaign.problem import problem_of
from experiments.report.story import Step, Story
from experiments.report.tasks.map_phase_diagram import visited
from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import DataInvalid, InvalidRequest, NotSupported, OutOfReach
from instruments.requests import AtomPositions, ScanImage, SetSample
from instruments.twins.flat import Flat
from instruments.twins.library.alloy_library import AlloyLibrary
from instruments.twins.library.ordering_layer import OrderingLayer
from physics_priors.ising.alloy_prior import AlloyPrior
from physics_priors.ising.closed_form import antiferromagnet_boundary
from physics_priors.ising.design import expected_gain
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.information import ALLOY_AXES, alloy_node, alloy_table
from physics_priors.ising.layer_prior import FieldPrior
from physics_priors.ising.library import Record
from physics_priors.ising.solution import mixing

FRAME = ScanImage((0.0, 0.0), (7.0, 6.0), (64, 64), 4e-6)
SMALL = Record(fractions=(0.2, 0.5), anneals_K=(800.0, 1200.0), cooling_K_s=(1e5,))
LIBRARY = AlloyLibrary(record=SMALL, side=32, anneal_sweeps=60)
TASK = LearnInteractions(record=SMALL, look=Look(patches=(1, 2)), images=3)
LAYER, PHASES = OrderingLayer(side=24), MapPhaseDiagram(images=3, settle_s=0.5)


def acquire(twin: Embedded, request: Any, id: str) -> Any:
    return twin.acquire(request, id=id, stop=threading.Event())


def play(environment: Environment, agent: Any, seed: int) -> list[Any]:
    observation, _ = environment.reset(seed=seed)
    agent.begin(problem_of(environment.brief(), environment.action_space), seed)
    decisions: list[Any] = []
    ended = False
    while not ended:
        decision = agent.act(observation)
        observation, reward, ended, _, info = environment.step(decision.action)
        accepted, value = np.ones(len(decisions) + 1, bool), info.get("value", np.nan)
        agent.tell(Transition(len(decisions), decision, value, accepted, reward, observation, ended))
        decisions.append(decision)
    return decisions


@pytest.mark.parametrize("core", [LIBRARY, LAYER])
def test_the_twins_pass_the_conformance_suite(core: Any) -> None:
    acquire(Embedded(core), AtomPositions(FRAME), "compiles the kernels, which the suite's clock should not see")
    acquire(Embedded(core), SetSample(settle_s=0.1), "so does this")
    check(Embedded(core)).raise_for_failures()


def test_members_are_frozen_and_differ() -> None:
    twin = Embedded(LIBRARY)
    twin.reset(1, {})
    first = acquire(twin, AtomPositions(FRAME), "a").channels["species"].values
    acquire(twin, SetSample(member="m03"), "b")
    other = acquire(twin, AtomPositions(FRAME), "c").channels["species"].values
    acquire(twin, SetSample(member="m00"), "d")
    again = acquire(twin, AtomPositions(FRAME), "e").channels["species"].values
    np.testing.assert_array_equal(first, again)
    assert np.nanmean(other == 75) > np.nanmean(first == 75) + 0.1


def test_labels_are_wrong_as_often_as_the_dose_says() -> None:
    core = AlloyLibrary(record=SMALL, side=64, anneal_sweeps=5, current_pA=30.0)
    frame = ScanImage((0.0, 0.0), core.describe().field.size_nm, (64, 64), 1.4e-6)
    expected = core.detector.wrong(core.electrons_per_atom(frame))
    assert 0.02 < expected < 0.2
    twin, clean = Embedded(core), Embedded(core.flawless())
    labels = acquire(twin, AtomPositions(frame), "a").channels["species"].values
    truth = acquire(clean, AtomPositions(frame), "a").channels["species"].values
    seen = np.isfinite(truth) & np.isfinite(labels)
    assert (labels[seen] != truth[seen]).mean() == pytest.approx(expected, rel=0.2)
    more = ScanImage((0.0, 0.0), frame.size_nm, (64, 64), 5.6e-6)
    assert core.detector.wrong(core.electrons_per_atom(more)) < expected / 3
    assert twin.price(AtomPositions(more)).electrons == pytest.approx(4 * twin.price(AtomPositions(frame)).electrons)


def test_scenarios_are_what_they_say() -> None:
    for core, low, high in ((LIBRARY, 0.004, 0.026), (LAYER, 50.0, 130.0)):
        names = {"pair_eV": "triangle_eV", "coupling_K": "second_K"}
        found: dict[str, list[tuple[float, float]]] = {}
        for scenario in ("matched", "shifted", "misspecified"):
            for seed in range(6):
                twin = Embedded(core)
                twin.reset(seed, {"name": scenario})
                name, extra = next((n, e) for n, e in names.items() if n in twin.truth())
                found.setdefault(scenario, []).append((twin.truth()[name], twin.truth()[extra]))
        assert all(low <= value <= high and extra == 0 for value, extra in found["matched"])
        assert all(value > high and extra == 0 for value, extra in found["shifted"])
        assert all(low <= value <= high and extra > 0 for value, extra in found["misspecified"])
    with pytest.raises(DataInvalid):
        Embedded(LIBRARY).reset(0, {"name": "other"})


def test_what_the_twins_cannot_do_is_refused() -> None:
    library, layer = Embedded(LIBRARY), Embedded(LAYER)
    with pytest.raises(OutOfReach, match="m00 to m03"):
        library.price(SetSample(member="m99"))
    with pytest.raises(NotSupported, match="frozen"):
        library.price(SetSample(temperature_K=300.0))
    with pytest.raises(NotSupported, match="no library members"):
        layer.price(SetSample(member="m00"))
    with pytest.raises(OutOfReach):
        layer.price(SetSample(temperature_K=1.0))
    with pytest.raises(InvalidRequest, match="even"):
        OrderingLayer(side=9)
    with pytest.raises(LatticeError, match="one of its fractions"):
        Record(fractions=())


def test_the_layer_orders_when_it_is_cooled_and_not_above() -> None:
    twin = Embedded(OrderingLayer(side=24))
    twin.reset(2, {})
    boundary = antiferromagnet_boundary(twin.truth()["coupling_K"], 0.0)
    acquire(twin, SetSample(temperature_K=1.5 * boundary, settle_s=5.0), "a")
    assert twin.truth()["staggered"] < 0.3
    staggered = []
    for step in range(4):
        acquire(twin, SetSample(temperature_K=0.8 * boundary, settle_s=30.0), f"b{step}")
        staggered.append(twin.truth()["staggered"])
    assert max(staggered) > 0.6


def test_boundary_of_the_antiferromagnet() -> None:
    assert antiferromagnet_boundary(1.0, 0.0) == pytest.approx(2.269185, abs=1e-5)
    assert antiferromagnet_boundary(1.0, 4.0) == 0.0
    assert 0 < antiferromagnet_boundary(50.0, 190.0) < antiferromagnet_boundary(50.0, 100.0)


@pytest.mark.parametrize(("core", "task"), [(LIBRARY, TASK), (LAYER, PHASES)])
def test_a_vector_environment_is_as_many_single_ones(core: Any, task: Any) -> None:
    vector = VectorEnvironment(core, task, 2)
    vector.reset(seed=[3, 9])
    singles = [Environment(Embedded(core), task) for _ in range(2)]
    for environment, seed in zip(singles, (3, 9), strict=True):
        environment.reset(seed=seed)
    actions = singles[0].brief().candidates
    assert actions is not None
    for step in range(3):
        chosen = actions[[step, 2 * step + 1]].astype(np.float32)
        observation, reward, ended, _, _ = vector.step(chosen)
        for row, environment in enumerate(singles):
            own, one, over, _, _ = environment.step(chosen[row])
            assert one == pytest.approx(reward[row])
            assert over == ended[row] == (step == 2)
            for name, array in own.items():
                np.testing.assert_array_equal(array, observation[name][row])


def test_an_image_brings_information_and_the_same_again_is_counted_by_its_sites() -> None:
    environment = Environment(Embedded(LIBRARY), TASK)
    environment.reset(seed=0)
    candidates = environment.brief().candidates
    assert candidates is not None
    observation, reward, _, _, info = environment.step(candidates[6].astype(np.float32))
    assert reward > 0.2
    assert observation["histogram"].sum() > 200
    assert -1 < info["value"] < 1


def test_tasks_refuse_what_cannot_serve_them() -> None:
    with pytest.raises(NotSupported, match="no AtomPositions and no SetSample"):
        Environment(Embedded(Flat()), TASK)
    with pytest.raises(OutOfReach, match="temperature_K"):
        Environment(Embedded(OrderingLayer(side=24, coldest_K=100.0)), PHASES)
    with pytest.raises(ValueError, match="triangular"):
        LearnInteractions(look=Look(kind="square"))


def test_the_alloys_table_is_what_is_simulated_at_its_nodes() -> None:
    alloy = alloy_table().values[6, 1, 3]
    node = alloy_node(float(ALLOY_AXES[0][6]), 0.0, 0.5)
    np.testing.assert_allclose(np.diag(node), np.diag(alloy), rtol=0.2)


def test_belief_covers_the_truth_and_more_images_narrow_it() -> None:
    prior, task = AlloyPrior(), LearnInteractions(record=SMALL, look=Look(patches=(1, 2)), images=4)
    away, widths = [], []
    for seed in range(3):
        environment = Environment(Embedded(LIBRARY), task)
        agent = InformationGain(prior)
        play(environment, agent, seed)
        belief = agent.belief()
        truth = environment.instrument.truth()  # type: ignore[attr-defined]
        away.append((belief.mean - [truth["pair_eV"], truth["second_eV"]]) / np.sqrt(np.diag(belief.covariance)))
        widths.append(np.sqrt(np.diag(belief.covariance)) / (prior.high - prior.low) * np.sqrt(12))
    assert np.sqrt(np.mean(np.square(away))) < 2.0
    assert np.mean(widths, axis=0)[0] < 0.4


def test_the_agent_images_where_it_expects_most() -> None:
    agent = InformationGain(AlloyPrior())
    decisions = play(Environment(Embedded(LIBRARY), TASK), agent, 0)
    assert len({d.candidate for d in decisions}) == 3
    assert all("nats expected" in d.reason for d in decisions)
    conditions = np.array([[0.04, 1200.0], [0.5, 800.0]])
    gain = expected_gain(AlloyPrior(), AlloyPrior().believed(conditions[:0], []), conditions, 400.0)
    assert gain[1] > 1.5 * gain[0]
    assert agent.beliefs()["images"] == 3
    assert {"mean", "covariance", "names", "misfit"} <= set(agent.beliefs())


def test_a_prior_that_does_not_fit_is_given_up() -> None:
    task, other = MapPhaseDiagram(images=8, settle_s=0.2), Embedded(OrderingLayer(side=24, second_fraction=0.3))
    for core, scenario, given_up in ((other, "misspecified", True), (Embedded(LAYER), "matched", False)):
        environment = Environment(core, task, scenario={"name": scenario})
        said = [d.reason for d in play(environment, InformationGain(FieldPrior(), repeat=True), 2)]
        assert any("does not fit" in reason for reason in said[4:]) is given_up
    explorer = InformationGain(FieldPrior(), repeat=True, explore_every=2)
    said = [d.reason for d in play(environment, explorer, 3)]
    assert ["farthest" in reason for reason in said] == [False, True] * 4


def test_the_report_says_where_and_how_often_it_was_looked() -> None:
    environment = Environment(Embedded(LAYER), PHASES)
    environment.reset(seed=0)
    brief = environment.brief()
    step = Step(number=1, seq=1, reason="", candidate=7, figures={}, decide_s=0.0)
    steps = [step, replace(step, candidate=7), replace(step, candidate=0), replace(step, candidate=None)]
    known = {"pixels": brief.pixels, "images": dict(brief.images)}
    story = Story(folder=Path(), meta={}, running=False, summary={}, brief=known, steps=steps)
    expected = [[PHASES.fields_T[0], PHASES.temperatures_K[0], 1], [PHASES.fields_T[1], PHASES.temperatures_K[1], 2]]
    np.testing.assert_allclose(visited(story), expected)
    assert visited(replace(story, brief={})).shape == (0, 3)


def test_an_agent_resumes_and_refuses_foreign_problems() -> None:
    environment = Environment(Embedded(LIBRARY), TASK)
    agent, other = InformationGain(AlloyPrior()), InformationGain(AlloyPrior())
    play(environment, agent, 0)
    problem = problem_of(environment.brief(), environment.action_space)
    other.begin(problem, 0)
    other.restore(agent.state())
    assert other.act({}).candidate == agent.act({}).candidate
    bare = Problem(problem.low, problem.high, "map", "x", "", candidates=problem.candidates, pixels=problem.pixels)
    with pytest.raises(AgentError, match="fraction and temperature_K"):
        InformationGain(AlloyPrior()).begin(bare, 0)


def test_a_raster_covers_the_library() -> None:
    decisions = play(Environment(Embedded(LIBRARY), TASK), Raster(points=3), 0)
    assert len({round(float(d.action[1]), 3) for d in decisions}) > 1


def test_mixing_of_ideal_and_of_demixing_alloys() -> None:
    ideal = mixing(np.zeros((1, 2)), 900.0, side=8, points=15, rounds=30)
    assert ideal.free_energy_eV[0, 20] == pytest.approx(-np.log(2) * 8.617333e-5 * 900, rel=0.03)
    assert np.abs(ideal.enthalpy_eV).max() == 0
    assert ideal.entropy_kB[0, 20] == pytest.approx(np.log(2), rel=0.03)
    cold = mixing(np.array([[0.03, 0.0]]), 900.0, side=8, points=15, rounds=30)  # T_c is 1267 K
    assert cold.gap[0, 1] - cold.gap[0, 0] > 0.8
    assert cold.free_energy_eV[0, 20] > ideal.free_energy_eV[0, 20] / 3
    with pytest.raises(LatticeError, match="above zero"):
        mixing(np.zeros((1, 2)), 0.0)
