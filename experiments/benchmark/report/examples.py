"""Figure: where each policy measured on the first seed's sample, beside the truth that only the benchmark has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.benchmark.report.facts import Facts
from experiments.benchmark.report.wording import named
from experiments.benchmark.scores import Array
from experiments.benchmark.truth import kept_values
from experiments.campaign.journal import open_reader
from experiments.config import from_plain
from experiments.report import samples, trajectory
from experiments.report.drawing import FIELD, WIDTH_IN, Inks, sheet
from experiments.report.places import Frame, draw_field, frame_of
from experiments.report.samples import Picture
from experiments.report.story import Story, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3


@dataclass(frozen=True)
class Example:
    """A kept campaign of a policy, and the regret that it ended with."""

    policy: str
    story: Story
    picture: Picture | None
    regret: float


def examples(facts: Facts, problem: int) -> list[Example]:
    """The kept campaigns of a problem, one of each policy that finished on the first seed."""
    scores, folder = facts.scores, facts.finished.folder / "kept"
    found = []
    for policy in scores.policies:
        row = scores.rows[policy, scores.problems[problem], scores.seeds[0]]
        if row.regret and (folder / row.id / "journal.sqlite").is_file():
            found.append(_example(policy, folder / row.id, row.regret[-1]))
    return [example for example in found if np.isfinite(example.story.places_nm()).any()]


def draw(facts: Facts, problem: int, inks: Inks) -> Figure | None:
    """The truth and then a panel for each policy; None where no campaign was kept that can be shown."""
    found = examples(facts, problem)
    frame = frame_of(found[0].story, found[0].picture) if found else None
    if frame is None:
        return None
    truth = _truth(facts, problem)
    panels = len(found) + (truth is not None)
    columns = min(panels, COLUMNS)
    rows = -(-panels // columns)
    width = (WIDTH_IN - 1.0) / COLUMNS
    figure = sheet(rows * (width * min(frame.aspect, 1.5) + 0.3), columns * width + 1.0, layout=frame.layout)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    _fill(list(axes), found, truth, frame, inks)
    return figure


def _fill(axes: list[Axes], found: list[Example], truth: Array | None, frame: Frame, inks: Inks) -> None:
    story, limits = found[0].story, _limits(found, truth)
    drawn: list[Any] = []
    left = iter(axes)
    if truth is not None:
        panel = next(left)
        drawn.append(
            draw_field(panel, story.brief["positions_nm"], story.value_scale().shown(truth), frame, cmap=FIELD)
        )
        frame.prepare(panel, inks)
        frame.title(panel, "truth")
    for example in found:
        panel = next(left)
        drawn.append(trajectory.value_panel(panel, example.story, example.picture, frame, inks))
        frame.title(panel, f"{named(example.policy)}: regret {example.regret:.2f}")
    for panel in left:
        panel.set_axis_off()
    for artist in (artist for artist in drawn if artist is not None):
        artist.set_clim(*limits)
    for index, panel in enumerate(axes):
        panel.label_outer()
        if index + COLUMNS >= len(found) + (truth is not None):  # nothing stands below it
            panel.tick_params(labelbottom=True)
            panel.set_xlabel(f"x [{frame.scale.unit}]")
    label = story.value_scale().label(story.value_name)
    bar = axes[0].figure.colorbar(next(a for a in drawn if a is not None), ax=axes, label=label, pad=0.02, aspect=30)
    bar.outline.set_visible(False)


def _example(policy: str, folder: Path, regret: float) -> Example:
    story = read(folder)
    with open_reader(folder / "journal.sqlite") as reader:
        return Example(policy, story, samples.structure(story, reader), regret)


def _truth(facts: Facts, problem: int) -> Array | None:
    """The true values of the first seed's sample, as the cells have left them."""
    plan, name = facts.finished.plan, facts.scores.problems[problem]
    wanted = (name.task, name.scenario, facts.scores.seeds[0])
    cell = next(cell for cell in plan.cells if (cell.task, cell.scenario, cell.seed) == wanted)
    return kept_values(from_plain(plan.settings_of(cell)), facts.finished.folder / "truth")


def _limits(found: list[Example], truth: Array | None) -> tuple[float, float]:
    """One colour scale for all panels: that of the truth, else of what was measured."""
    scale = found[0].story.value_scale()
    values = truth if truth is not None else np.concatenate([e.story.values()[e.story.standing()] for e in found])
    values = scale.shown(values[np.isfinite(values)])
    return float(values.min()), float(values.max())
