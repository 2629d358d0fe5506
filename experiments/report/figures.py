"""The figures section: which figures this campaign can have, each with a caption that says what is seen."""

from __future__ import annotations

from collections.abc import Callable

from experiments.campaign.journal import Reader
from experiments.report import curves, drawing, model, progress, samples, trajectory
from experiments.report.markup import Markup, el, figure, section
from experiments.report.places import frame_of
from experiments.report.story import Story

Maker = Callable[[Story, Reader], Markup | None]


def all_of(story: Story, reader: Reader) -> list[Markup]:
    """Every figure that there is something for; nothing where no step has an outcome."""
    makers: tuple[Maker, ...] = (_trajectory, _progress, _curves, _model, _calibration)
    with drawing.styled(drawing.PAGE):
        return [made for make in makers if (made := make(story, reader)) is not None]


def _trajectory(story: Story, reader: Reader) -> Markup | None:
    picture = samples.structure(story, reader)
    frame = frame_of(story, picture)
    if frame is None or not (story.done or picture) or story.stays:
        return None
    drawn = drawing.svg(trajectory.draw(story, picture, frame, drawing.PAGE), "where", _where_alt(story))
    under = f"On the structural image ({picture.name}), row 0 at the top. " if picture and not frame.is_line else ""
    off = int((~story.standing()).sum())
    caption = f"{under}Colour: value (left) and step (right)." if not frame.is_line else "Colour: step."
    caption += f" Ringed: the {'best' if story.seeks else 'largest'} value." if story.best() else ""
    caption += f" Crossed out: {off} measurements without an accepted value." if off else ""
    return section("Where it measured", figure(drawn, caption))


def _progress(story: Story, reader: Reader) -> Markup | None:
    if not story.standing().any():
        return el("p", "No value was accepted, so there are no values to draw.") if story.done else None
    title = "Best so far" if story.seeks else "Values as they came"
    off = int(story.rejected().sum())
    caption = "Every accepted value (dots)" + (" and the best so far (line)." if story.seeks else ".")
    caption += f" Crosses: {off} rejected values, drawn at the edge where they lie beyond it." if off else ""
    shown = [figure(drawing.svg(progress.draw(story, drawing.PAGE), "progress", f"{title}: {caption}"), caption)]
    if not story.seeks and len(story.uncertainty) > 2:
        said = "The model's standard deviation, averaged over all candidates."
        shown.append(figure(drawing.svg(progress.uncertainty(story, drawing.PAGE), "doubt", said), said))
    return section(title, *shown)


def _curves(story: Story, reader: Reader) -> Markup | None:
    found = samples.fetch(story, reader)
    if not found:
        return None
    drawn = curves.draw(story, found, drawing.PAGE)
    roles = ", ".join(f"{s.role} (step {s.step.number})" for s in found)
    caption = f"Above each, its {story.value_name}. Accepted curves share their vertical scale"
    caption += "; the rejected one has its own." if any(s.role == "rejected" for s in found) else "."
    partial = [str(s.step.number) for s in found if not s.measurement.complete]
    caption += f" Ended early: step {', '.join(partial)}." if partial else ""
    return section("What was measured", figure(drawing.svg(drawn, "curves", f"Measured curves: {roles}."), caption))


def _model(story: Story, reader: Reader) -> Markup | None:
    known = model.candidates_of(story)
    frame = frame_of(story, None)
    if known is None or frame is None:
        return None
    belief, places = known
    drawn = model.draw(story, belief, places, frame, drawing.PAGE)
    said = f"Measured values, and the model's mean and standard deviation at {len(places)} candidates"
    said += f" after step {belief.step}."
    return section("What the model believes", figure(drawing.svg(drawn, "model", said), said))


def _calibration(story: Story, reader: Reader) -> Markup | None:
    rows = progress.foreseen(story)
    if len(rows) < 3:
        return None
    one, two = progress.coverage(rows)
    n = len(rows)
    caption = (
        f"Predictions made before measuring, against what was measured. {one} of {n} ({100 * one / n:.0f} %) lie "
        f"within one standard deviation and {two} ({100 * two / n:.0f} %) within two; a calibrated model has 68 % "
        "and 95 %. "
        "Shaded: ±1 and ±2; triangles lie beyond."
    )
    drawn = progress.calibration(story, rows, drawing.PAGE)
    return section("Did the model foresee it", figure(drawing.svg(drawn, "foreseen", caption), caption))


def _where_alt(story: Story) -> str:
    best = story.best()
    at = f"; the best at step {best.number}" if best is not None else ""
    return f"Map of {len(story.done)} measured places coloured by value and by step{at}."
