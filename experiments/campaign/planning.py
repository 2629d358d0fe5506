"""What a campaign would do and cost, before anything moves: `run --dry-run`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.environment import Environment
from experiments.config import build
from experiments.config.settings import CampaignSettings
from instruments.account import Account, footprint_nm
from instruments.cost import Cost
from instruments.errors import InstrumentError
from instruments.guard import Refusal, check, needs_current, require_current
from instruments.requests import Request
from instruments.seam import Twin

SAMPLED = 64


@dataclass(frozen=True)
class Plan:
    """The worst case of a campaign.

    survey lists the requests made before the first decision; positions_nm [n, 2] are places the agent may choose
    from (a sample of them); each is the dearest of these; measurements is how many the budget allows.
    """

    instrument: str
    field: str
    survey: Sequence[Request]
    survey_cost: Cost
    positions_nm: NDArray[np.float64]
    each: Cost
    measurements: int
    total: Cost
    peak_fluence_e_A2: float
    refusals: Sequence[str]


def plan(settings: CampaignSettings) -> Plan:
    """Price the survey and a sample of the actions; raises as `run` does where the campaign could not begin."""
    parts = build(settings)
    capabilities = parts.instrument.describe()
    if settings.budget.electrons is not None or needs_current(settings.guard):
        require_current(capabilities)
    parts.task.check(capabilities)
    if isinstance(parts.instrument, Twin):
        parts.instrument.reset(settings.seed, settings.scenario)
    try:
        return _planned(settings, Environment(parts.instrument, parts.task, scenario=settings.scenario))
    finally:
        parts.instrument.close()


def _planned(settings: CampaignSettings, environment: Environment) -> Plan:
    instrument, capabilities = environment.instrument, environment.capabilities
    account = Account(capabilities.field, settings.guard.fluence_pixel_nm)
    refusals: list[str] = []
    survey = environment.open(settings.seed)
    prices = [_priced(instrument.price(r), r, account, settings, refusals) for r in survey]
    survey_cost = sum(prices, Cost())
    requests = [r for action in _sample_actions(environment, settings.seed) for r in environment.requests(action)]
    costs = [_price(instrument.price, r) for r in requests]
    each = max(costs, key=lambda c: (c.electrons, c.seconds), default=Cost())
    count = _count(settings, survey_cost, each)
    verdicts = [check(r, cost, account, settings.guard) for r, cost in zip(requests, costs, strict=True)]
    refusals += [verdict.message for verdict in verdicts if isinstance(verdict, Refusal)][:3]
    return Plan(
        instrument=capabilities.name,
        field=str(capabilities.field),
        survey=survey,
        survey_cost=survey_cost,
        positions_nm=np.vstack([r.places_nm()[:1] for r in requests]) if requests else np.empty((0, 2)),
        each=each,
        measurements=count,
        total=survey_cost + each.scaled(count),
        peak_fluence_e_A2=_peak(account, requests[0], each.electrons * count) if requests else 0.0,
        refusals=refusals,
    )


def _priced(price: Cost, request: Request, account: Account, settings: CampaignSettings, refusals: list[str]) -> Cost:
    verdict = check(request, price, account, settings.guard)
    if isinstance(verdict, Refusal):
        refusals.append(f"{request.kind}: {verdict.message}")
    else:
        account.book(f"survey {request.kind}", request, price)
    return price


def _sample_actions(environment: Environment, seed: int) -> list[NDArray[np.float64]]:
    environment.action_space.seed(seed)
    return [np.asarray(environment.action_space.sample()) for _ in range(SAMPLED)]


def _price(price: Callable[[Request], Cost], request: Request) -> Cost:
    try:
        return price(request)
    except InstrumentError:
        return Cost()


def _count(settings: CampaignSettings, survey: Cost, each: Cost) -> int:
    budget, counts = settings.budget, []
    if budget.steps is not None:
        counts.append(budget.steps)
    for name in ("seconds", "electrons"):
        limit, cost = getattr(budget, name), getattr(each, name)
        if limit is not None and cost > 0:
            counts.append(max(0, int((limit - getattr(survey, name)) / cost)))
    return min(counts, default=0)


def _peak(account: Account, request: Request, electrons: float) -> float:
    """Peak fluence [e/A^2] if all electrons of the campaign fell on one place."""
    if electrons == 0.0 or not len(footprint_nm(request, 1.0)):
        return account.peak_fluence_e_A2
    return account.peak_fluence_with(request, electrons)
