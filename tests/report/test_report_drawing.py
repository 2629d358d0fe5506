"""Figures show what they should, the right way up, in colours that follow the page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments.campaign.journal import open_reader
from experiments.report import drawing, model, picture, places, progress, samples, story, trajectory
from instruments.measurement import Axis, Channel

MakeRun = Callable[..., Path]


def test_image_has_row_0_at_the_smallest_y_and_places_lie_on_it(make_run: MakeRun) -> None:
    told = story.read(make_run(steps=20))
    with open_reader(told.folder / "journal.sqlite") as reader:
        image = samples.structure(told, reader)
    assert image is not None
    frame = places.frame_of(told, image)
    assert frame is not None
    axes = trajectory.draw(told, image, frame, drawing.PAGE).axes[0]
    left, right, bottom, top = axes.images[0].get_extent()
    assert (left, right, top, bottom) == (-1.0, 1.0, -1.0, 1.0)  # µm; row 0 is drawn at `top`
    assert axes.images[0].origin == "upper"
    assert axes.get_ylim() == (1.0, -1.0)
    dots = axes.collections[0].get_offsets()
    np.testing.assert_allclose(dots, told.places_nm()[told.standing()] / 1000.0)
    assert axes.get_xlabel() == "x [µm]"


def test_first_survey_image_is_taken_where_the_brief_has_none(make_run: MakeRun) -> None:
    told = story.read(make_run(steps=1, image=False))
    with open_reader(told.folder / "journal.sqlite") as reader:
        image = samples.structure(told, reader)
    assert image is not None
    assert (image.name, image.extent_nm) == ("amplitude", (-1000.0, 1000.0, -1000.0, 1000.0))


def test_field_is_drawn_with_every_value_at_its_place() -> None:
    x, y = np.meshgrid([0.0, 2.0, 4.0], [10.0, 11.0])
    order = np.random.default_rng(1).permutation(6)
    at, values = np.stack([x.ravel(), y.ravel()], 1)[order], np.arange(6.0)[order]
    found = places.as_pixels(at, values)
    assert found is not None
    np.testing.assert_array_equal(found[0], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_allclose(found[1], (-1, 5, 9.5, 11.5))
    assert places.as_pixels(at[:-1], values[:-1]) is None
    assert places.as_pixels(at * [1, 0], values) is None


def test_best_so_far_ignores_what_does_not_stand(make_run: MakeRun) -> None:
    values = [3.0, 1.0, 50.0, 4.0, 2.0]
    told = story.read(make_run(steps=5, reject=lambda s: s == 3, value=lambda step, area: values[step - 1]))
    axes = progress.draw(told, drawing.PAGE).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["best so far"].get_ydata(), [3, 3, 3, 4, 4])
    np.testing.assert_array_equal(lines["value"].get_xdata(), [1, 2, 4, 5])
    np.testing.assert_array_equal(lines["rejected"].get_xdata(), [3])
    assert lines["rejected"].get_ydata()[0] == axes.get_ylim()[1]


def test_electrons_are_an_axis_only_where_any_were_spent(make_run: MakeRun) -> None:
    without = story.read(make_run("without", steps=2))
    dosed = story.read(make_run("dosed", steps=2, dose=True))
    assert [name for name, _ in progress.spent(without)] == ["step", "instrument time [s]"]
    label, counts = progress.spent(dosed)[2]
    assert label == "10⁶ electrons"
    np.testing.assert_allclose(counts, np.array([3.5, 5.5]) * 3.1)


def test_a_map_of_one_place_and_a_list_of_atoms_are_not_drawn() -> None:
    def at(places: list[tuple[float, float]]) -> story.Story:
        steps = [story.Step(i, i, "", None, {}, 0.0, position_nm=p, decided_only=False) for i, p in enumerate(places)]
        return story.Story(Path(), {}, False, {}, steps=steps)

    assert at([(0.0, 0.0)] * 5).stays
    assert not at([(0.0, 0.0)] * 2).stays
    assert not at([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (0.0, 0.0)]).stays
    numbers = np.arange(20.0)
    assert samples.drawable(Channel(numbers, "", (Axis("energy", "eV", numbers),)))
    assert not samples.drawable(Channel(numbers, "", (Axis("atom", "", numbers),)))


def test_coverage_counts_what_lies_within_one_and_two_deviations() -> None:
    rows = np.array([[1, 0.0, 1.0, 0.5], [2, 0.0, 1.0, -1.5], [3, 0.0, 1.0, 3.0], [4, 10.0, 4.0, 13.0]])
    assert progress.coverage(rows) == (2, 3)


def test_model_is_drawn_only_where_the_journal_has_one(make_run: MakeRun) -> None:
    assert model.candidates_of(story.read(make_run("without", steps=3, model=False))) is None
    known = model.candidates_of(story.read(make_run("with", steps=3)))
    assert known is not None
    assert known[0].step == 3
    assert len(known[1]) == 256


def test_figures_follow_the_colours_of_the_page(make_run: MakeRun) -> None:
    told = story.read(make_run(steps=5))
    with drawing.styled(drawing.PAGE):
        text = drawing.svg(progress.draw(told, drawing.PAGE), "p", 'a "figure"')
    assert "var(--data)" in text
    assert "var(--ink)" in text
    assert "#0102" not in text
    assert 'aria-label="a &quot;figure&quot;"' in text
    assert 'id="axes_1"' not in text


def test_picture_of_a_campaign(make_run: MakeRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.png"
    assert picture.main([str(make_run(steps=12)), str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert picture.main([]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("fields", [{"model": False}, {"curves": False}, {"survey": False}])
def test_picture_of_a_campaign_that_lacks_something(make_run: MakeRun, tmp_path: Path, fields: dict[str, bool]) -> None:
    assert picture.draw(make_run(steps=4, **fields), tmp_path / "out.png").stat().st_size > 10_000


def test_picture_of_nothing_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no accepted value"):
        picture.draw(make_run(steps=2, fail=lambda step: True, model=False), tmp_path / "out.png")


def test_matplotlib_is_loaded_only_when_drawing() -> None:
    code = "import sys, experiments.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
