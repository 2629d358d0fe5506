"""The finder of bright columns, and a task that sees through it."""

import threading

import numpy as np
import pytest

from agents.baselines.write_targets import WriteTargets
from agents.protocol import Transition
from environments.environment import Environment
from environments.finders.bright_columns import BrightColumns
from environments.perception import Finder, perceiving
from environments.tasks.write_vacancies import WriteVacancies
from environments.vacancies import Looks
from experiments.campaign.problem import problem_of
from instruments.embedded import Embedded
from instruments.errors import DataInvalid
from instruments.requests import AtomPositions, ScanImage
from instruments.twins.stem.samples.dichalcogenide import Dichalcogenide
from instruments.twins.stem.sulphur_sheet import SulphurSheet

NEVER = threading.Event()


def test_it_finds_all_columns_with_their_species_and_few_picometres_off() -> None:
    finder = BrightColumns(species=(16, 74))
    assert isinstance(finder.name, str)
    seen: Finder = finder
    core = SulphurSheet(drift_nm_s=0.0)
    frame = ScanImage((0.05, -0.03), (3.6, 3.4), (128, 128), 1e-5, 0.02)
    done = perceiving(Embedded(core), seen).acquire(AtomPositions(frame), id="a", stop=NEVER).channels
    place, species = done["position"].values, done["species"].values
    columns = core.probed.columns
    away = np.linalg.norm(place[:, None] - columns.positions_nm[None], axis=-1)
    nearest = away.argmin(axis=1)
    heavy = columns.heaviest(core.sites.species)
    inside = (np.abs(columns.positions_nm - frame.center_nm) < np.array([1.5, 1.4])).all(axis=1)
    assert np.isin(np.flatnonzero(inside), nearest).all()
    assert away.min(axis=1)[inside[nearest]].max() < 0.03
    assert away.min(axis=1).max() < 0.08
    assert (species == heavy[nearest])[inside[nearest]].all()
    error = (place - columns.positions_nm[nearest])[species == 74]
    assert error.std() < 0.002
    assert np.abs(error.mean(axis=0)).max() < 0.001


def test_a_column_with_one_atom_less_is_darker() -> None:
    core = SulphurSheet(Dichalcogenide("W", 4.0, 4.0, top_vacancies=6, margin_nm=0.5), drift_nm_s=0.0)
    twin = perceiving(Embedded(core), BrightColumns(species=(16, 74)))
    done = twin.acquire(AtomPositions(ScanImage((0.0, 0.0), (3.7, 3.5), (128, 128), 2e-5)), id="a", stop=NEVER).channels
    place, bright = done["position"].values, done["intensity"].values
    sulphur = done["species"].values == 16
    gone = core.sites.positions_nm[twin.truth()["species"] == 0, :2]
    near = np.linalg.norm(place[:, None] - gone[None], axis=-1).min(axis=1) < 0.05
    assert (near & sulphur).sum() == 6
    assert bright[near & sulphur].max() < 0.75 * np.median(bright[sulphur])


def test_an_empty_frame_has_no_atoms_and_a_coarse_one_is_refused() -> None:
    finder = BrightColumns()
    twin = Embedded(SulphurSheet())
    image = twin.acquire(ScanImage((0.0, 0.0), (3.0, 3.0), (64, 64), 1e-8), id="a", stop=NEVER)
    assert len(finder.find(image).positions_nm) < 20
    coarse = twin.acquire(ScanImage((0.0, 0.0), (3.0, 3.0), (10, 10), 1e-6), id="b", stop=NEVER)
    with pytest.raises(DataInvalid, match="too coarse"):
        finder.find(coarse)
    with pytest.raises(DataInvalid, match="no channel"):
        BrightColumns(channel="bright_field").find(image)


def test_vacancies_are_written_by_what_a_finder_sees() -> None:
    core = SulphurSheet()
    looks = Looks((128, 128), 8e-6, border_nm=0.25, one_missing=0.75, both_missing=0.3)
    twin = perceiving(Embedded(core), BrightColumns(species=(16, 74)))
    env = Environment(twin, WriteVacancies(looks=looks, brightness_scale=2.15), scenario={"name": "misspecified"})
    agent, ended, accepted = WriteTargets(), False, []
    observation, _ = env.reset(seed=2)
    agent.begin(problem_of(env.brief(), env.action_space), 2)
    while not ended:
        decision = agent.act(observation)
        observation, reward, terminated, truncated, info = env.step(decision.action)
        accepted.append(info["accepted"])
        told = (np.array(accepted), reward, observation, terminated, info["seconds"], info["electrons"])
        agent.tell(Transition(len(accepted) - 1, decision, info.get("value", np.nan), *told))
        ended = terminated or truncated
    truth, columns = twin.truth(), core.probed.columns.positions_nm
    gone = np.bincount(core.probed.columns.of_site, (truth["species"] == 0) & (truth["home"] == 16), len(columns))
    targets = env._state.columns_nm[0][env._state.target[0]]
    written = gone[np.linalg.norm(columns[:, None] - targets[None], axis=-1).argmin(axis=0)]
    assert (written == 1).sum() >= len(targets) - 1
    assert gone.sum() - written.sum() <= 1
