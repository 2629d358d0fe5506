"""BayBE's default recommender over the list of candidates as a policy: `python with_baybe.py`."""

from __future__ import annotations

import warnings

import pandas
import torch
from baybe import Campaign
from baybe.parameters import NumericalDiscreteParameter
from baybe.searchspace import SearchSpace
from baybe.settings import Settings
from baybe.targets import NumericalTarget
from conversation import Known, converse


def choose(known: Known) -> int:
    """The library chooses among the candidates itself."""
    names = [f"x{i}" for i in range(len(known.problem["low"]))]
    table = pandas.DataFrame(known.places, columns=names)
    axes = [NumericalDiscreteParameter(name, sorted(set(table[name]))) for name in names]
    space = SearchSpace.from_dataframe(table.iloc[_offered(known)], axes)
    campaign = Campaign(space, NumericalTarget(name="value").to_objective())
    if known.measured:
        told = table.iloc[[place for place, _ in known.measured]].copy()
        told["value"] = [value for _, value in known.measured]
        campaign.add_measurements(told)
    with Settings(random_seed=known.step_seed):
        asked = campaign.recommend(1)
    return known.nearest_free(asked[names].iloc[0].tolist())


def _offered(known: Known) -> list[int]:
    """What may be asked for, and what was measured: a space must hold its own measurements."""
    return sorted({*known.free, *(place for place, _ in known.measured)})


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    converse(choose)
