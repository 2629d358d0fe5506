"""A plan as lines of text: what `run --dry-run` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.campaign import Plan
    from instruments.cost import Cost

SHOWN = 6


def lines(plan: Plan) -> list[str]:
    """Positions, minutes, electrons and peak fluence; everything is a worst case."""
    rows = [
        ("instrument", f"{plan.instrument}, field {plan.field}"),
        ("survey", f"{_kinds(plan)}: {_cost(plan.survey_cost)}"),
        ("each measurement", f"at most {_cost(plan.each)}"),
        ("measurements", f"at most {plan.measurements}"),
        ("positions", _positions(plan)),
        ("in total", f"at most {_cost(plan.total)}"),
        ("peak fluence", f"at most {plan.peak_fluence_e_A2:.4g} e/A^2, if all fell on one place"),
        *(("the guard refuses", said) for said in _refusals(plan.refusals)),
    ]
    return [f"{name:<18} {said}" for name, said in rows]


def _kinds(plan: Plan) -> str:
    return ", ".join(request.kind for request in plan.survey) or "nothing"


def _positions(plan: Plan) -> str:
    """How far the positions reach, and some of them: the agent chooses, so they are not known in advance."""
    if not len(plan.positions_nm):
        return "none"
    (x0, y0), (x1, y1) = plan.positions_nm.min(axis=0), plan.positions_nm.max(axis=0)
    some = ", ".join(f"({x:.4g}, {y:.4g})" for x, y in plan.positions_nm[:SHOWN])
    return f"x {x0:.4g} to {x1:.4g} nm, y {y0:.4g} to {y1:.4g} nm; for instance {some}"


def _cost(cost: Cost) -> str:
    time = f"{cost.seconds:.3g} s" if cost.seconds < 90 else f"{cost.seconds / 60:.3g} minutes"
    return f"{time}, {cost.electrons:.4g} electrons"


def _refusals(refusals: Sequence[str]) -> Iterator[str]:
    yield from (" ".join(said.split()) for said in dict.fromkeys(refusals))
