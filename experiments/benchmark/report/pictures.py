"""The figures as PNG files, for slides and papers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from experiments.benchmark.report import examples, figures
from experiments.benchmark.report.facts import Facts
from experiments.benchmark.suite import ORACLE
from experiments.report.drawing import LIGHT, Inks, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 160


def write(facts: Facts) -> None:
    """Write every figure as NAME.png into the suite's folder."""
    with styled(LIGHT):
        for name, figure in every(facts, LIGHT):
            figure.savefig(facts.finished.folder / f"{name}.png", dpi=DOTS_PER_INCH, facecolor=LIGHT.paper)


def every(facts: Facts, inks: Inks) -> Iterator[tuple[str, Figure]]:
    """The figures by name: gaps and profiles, then regret and examples of each problem."""
    scores = facts.scores
    if ORACLE in scores.policies and scores.compared and figures.normalised(scores)[ORACLE].size:
        yield "gaps", figures.gaps(scores, facts.tables, inks)
        yield "profiles", figures.profiles(scores, inks)
    for index, problem in enumerate(scores.problems):
        yield f"regret-{problem.task}-{problem.scenario}", figures.regret(scores, index, inks)
        drawn = examples.draw(facts, index, inks)
        if drawn is not None:
            yield f"examples-{problem.task}-{problem.scenario}", drawn
