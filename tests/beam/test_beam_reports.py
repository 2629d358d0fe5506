"""Reports of the beam's tasks show what was seen beside what is true."""

from pathlib import Path

import numpy as np
import pytest

from experiments.campaign.journal import open_reader
from experiments.campaign.running import run
from experiments.config import compose
from experiments.report.story import read
from experiments.report.tasks import image_within_dose, truth_of, write_vacancies


def ran(campaign: str, tmp_path: Path, *more: str) -> Path:
    return run(compose([f"campaign={campaign}", "tracking=off", f"runs={tmp_path / 'runs'}", *more], [])).folder


def test_the_report_of_writing_shows_looks_atoms_and_rate_next_to_the_truth(tmp_path: Path) -> None:
    folder = ran("write_vacancies", tmp_path, "seed=1")
    page = (folder / "report.html").read_text()
    for title in ("What the looks showed", "What is really there", "How fast sulphur is lost"):
        assert f">{title}</h2>" in page
    assert "could not be drawn" not in page
    story = read(folder)
    with open_reader(folder / "journal.sqlite") as reader:
        looks, belief = write_vacancies.looks_of(reader), reader.last("belief")
    truth = truth_of(story)
    gone, metal = write_vacancies.missing(truth)
    assert f"{int(gone.sum())} sulphur atoms are missing, no metal" in page
    assert metal == 0
    assert len(looks) >= 2
    assert looks[-1][2].min() < 0.75 * np.median(looks[0][2])
    low, high = np.ravel(belief.payload["interval_95"])
    assert 0.5 * low < write_vacancies.true_rate(truth, story) < 2 * high


def test_the_report_of_locating_compares_claims_with_errors(tmp_path: Path) -> None:
    folder = ran("image_within_dose", tmp_path, "seed=1")
    page = (folder / "report.html").read_text()
    for title in ("Where it looked", "How exact it is"):
        assert f">{title}</h2>" in page
    assert "could not be drawn" not in page
    story = read(folder)
    with open_reader(folder / "journal.sqlite") as reader:
        looks, atoms = image_within_dose.located(reader)
    error_pm, claimed_pm = image_within_dose.errors(story, atoms, truth_of(story)).T
    assert len(looks) == len(story.steps) + 2
    assert (error_pm / claimed_pm).std() == pytest.approx(1.1, abs=0.4)
