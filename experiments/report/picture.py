"""One picture of a campaign, for a README or a slide: `python -m experiments.report.picture FOLDER OUT.png`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.campaign.journal import open_reader
from experiments.report import curves, model, progress, samples, trajectory
from experiments.report.drawing import LIGHT, grid, integers, sheet, styled
from experiments.report.places import Frame, frame_of
from experiments.report.samples import Picture, Sample
from experiments.report.story import Story, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 160


def draw(folder: Path, out: Path) -> Path:
    """Draw where it measured, what its model believes, its best so far and its best curve into one image file.

    Raises JournalDamaged where there is no readable journal, ValueError where no value was accepted.
    """
    story = read(folder)
    if not story.standing().any():
        raise ValueError(f"{folder} has no accepted value yet: there is nothing to draw")
    with open_reader(folder / "journal.sqlite") as reader:
        picture, found = samples.structure(story, reader), samples.fetch(story, reader)
    with styled(LIGHT):
        figure = _figure(story, picture, found)
        figure.savefig(out, dpi=DOTS_PER_INCH, facecolor=LIGHT.paper)
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 2:
        print("usage: python -m experiments.report.picture FOLDER OUT.png", file=sys.stderr)
        return 2
    print(draw(Path(given[0]), Path(given[1])))
    return 0


def _figure(story: Story, picture: Picture | None, found: Sequence[Sample]) -> Figure:
    frame = frame_of(story, picture)
    mapped = frame is not None and not frame.is_line
    maps = (1 + (model.candidates_of(story) is not None)) if mapped else 0
    figure = sheet(4.9, 4.0 * maps + 4.2)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    columns = figure.subfigures(1, 2, width_ratios=(4.0 * maps or 1e-3, 4.2), squeeze=False)[0]
    if frame is not None and maps:
        _maps(list(columns[0].subplots(1, maps, squeeze=False)[0]), story, picture, frame)
    panels = columns[1].subplots(1 + bool(found), 1, squeeze=False)[:, 0]
    _progress(panels[0], story)
    if found:
        _curve(panels[1], story, found)
    return figure


def _maps(panels: Sequence[Axes], story: Story, picture: Picture | None, frame: Frame) -> None:
    """Where it measured and, if there is a second panel, what the model believes, in the same colours."""
    dots = trajectory.value_panel(panels[0], story, picture, frame, LIGHT)
    panels[0].set_title(f"{len(story.done)} measurements" + (f", {picture.name} image" if picture else ""))
    colours, extend = trajectory.value_range(story)
    label = story.value_scale().label(story.value_name)
    _bar(panels[0], dots, label, extend)
    known = model.candidates_of(story)
    if known is not None:
        drawn = model.mean_panel(panels[1], story, *known, frame, LIGHT, colours)
        panels[1].set(title="What the model believes", ylabel="")
        _bar(panels[1], drawn, f"predicted {label}", extend)


def _bar(axes: Axes, drawn: Any, label: str, extend: str) -> None:
    bar = axes.figure.colorbar(drawn, ax=axes, label=label, location="bottom", pad=0.03, aspect=34, extend=extend)
    bar.outline.set_visible(False)


def _progress(axes: Axes, story: Story) -> None:
    progress.draw_panel(axes, story, progress.spent(story)[0], LIGHT)
    axes.set(title="Best so far" if story.seeks else "Values", ylabel=story.value_scale().label(story.value_name))
    integers(axes)


def _curve(axes: Axes, story: Story, found: Sequence[Sample]) -> None:
    """The best curve over the median one, of the first channel that both have."""
    name = curves.channels(found[:1])[0]
    shown = [s for s in found if s.role in ("best", "largest", "median") and name in s.measurement.channels]
    shown = shown or list(found[:1])
    x, y = curves.scales([s.measurement.channels[name] for s in shown])
    colours = dict(zip((s.role for s in shown), (LIGHT.best, LIGHT.off), strict=False))
    for sample in reversed(shown):
        curves.draw_curve(axes, sample.measurement.channels[name], x, y, colours[sample.role])
    for sample in shown:
        axes.plot([], [], color=colours[sample.role], label=f"{sample.role}, step {sample.step.number}")
    axis = shown[0].measurement.channels[name].axes[-1]
    axes.set(title="Measured curves", xlabel=x.label(axis.name), ylabel=y.label(name))
    axes.legend(handlelength=1.2)
    grid(axes)


if __name__ == "__main__":
    sys.exit(main())
