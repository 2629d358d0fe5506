"""Two cores, each the other's oracle: hand-written forces in Numba, energies in torch."""

import numpy as np
import pytest
import torch

from physics_priors.lgd.differentiable import Differentiable
from physics_priors.lgd.flexoelectricity import Flexoelectric
from physics_priors.lgd.forward import Forward
from physics_priors.lgd.landau import Landau
from physics_priors.lgd.materials import Elastic, Gradient
from physics_priors.lgd.system import FREE, Gap, System, UnstableStep

LANDAU = Landau(-1, 0.3, 0.5, 0.7, 0.2, -0.4, 0.2, 0.1, 0.15, 0.05)
GRADIENT = Gradient(1.0, 0.2, 0.4, 0.3)
PLAIN = Gradient(1.0, -0.1, 0.4, 0.3)
ELASTIC = Elastic(3.0, 1.2, 0.9, 0.3, -0.1, 0.15)
FLEXO = Flexoelectric(0.3, -0.2, 0.1)
TERMS = {
    "bulk": {},
    "unmixed": {"gradient": Gradient(1.0, 0.0, 0.35, 0.35)},
    "edges": {"gradient": PLAIN, "row_edges": (0.7, FREE), "column_edges": (0.0, 2.0)},
    "elastic": {"elastic": ELASTIC},
    "held": {"elastic": ELASTIC, "strain": (0.1, 0.05, -0.02, 0.03, 0.01, 0.02)},
    "charges": {"depolarisation": 2.0},
    "flexo": {"elastic": ELASTIC, "flexoelectric": FLEXO},
    "plate": {"plate": 0.3},
    "everything": {"elastic": ELASTIC, "flexoelectric": FLEXO, "depolarisation": 2.0},
}
IMPOSSIBLE = {(1, "charges"), (1, "everything"), (2, "plate")}


@pytest.mark.parametrize("components", [1, 2, 3])
@pytest.mark.parametrize("terms", list(TERMS))
@pytest.mark.parametrize("shape", [(6, 8), (5, 7)], ids=["even", "odd"])
def test_forces_are_the_slope_of_the_energy(components: int, terms: str, shape: tuple[int, int]) -> None:
    if (components, terms) in IMPOSSIBLE:
        return
    system = System(LANDAU, components, (0.8, 0.9), **{"gradient": GRADIENT, **TERMS[terms]})
    rng = np.random.default_rng(1)
    P, field, shift = (rng.normal(size=s) for s in ((2, components, *shape), (2, components, *shape), (2, *shape)))
    compiled = Forward(system, shape).force(P, field=field, shift=shift)
    core, t = Differentiable(system, shape), torch.tensor(P, requires_grad=True)
    (slope,) = torch.autograd.grad(core.energy(t, torch.tensor(field), torch.tensor(shift)).sum(), t)
    written = core.force(torch.tensor(P), torch.tensor(field), torch.tensor(shift))
    np.testing.assert_allclose(compiled, -slope.numpy(), atol=1e-10)
    np.testing.assert_allclose(compiled, written.numpy(), atol=1e-10)


@pytest.mark.parametrize("terms", ["bulk", "unmixed", "everything"])
def test_trajectories_agree_and_the_energy_falls(terms: str) -> None:
    system = System(LANDAU, 2, (0.8, 0.9), **{"gradient": GRADIENT, **TERMS[terms]})
    P = 0.2 * np.random.default_rng(2).normal(size=(1, 2, 10, 12))
    core = Differentiable(system, (10, 12))
    energies = []
    t = torch.tensor(P)
    for _ in range(4):
        energies.append(float(core.energy(t)))
        t = core.advance(t, 10)
    np.testing.assert_allclose(Forward(system, (10, 12)).advance(P, 40), t.numpy(), atol=1e-9)
    assert np.all(np.diff(energies) < 0)


def test_gradients_of_a_run_by_every_way() -> None:
    """Gradients in P, the field and coefficients agree with and without recomputation, and with finite differences."""
    system = System(LANDAU, 2, (0.8, 0.9), GRADIENT)
    P = torch.tensor(0.2 * np.random.default_rng(3).normal(size=(1, 2, 6, 7)))
    found = []
    for kept in (0, 1, 4):
        a1, across = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (-1.0, 0.7))
        start, field = P.clone().requires_grad_(), torch.zeros_like(P).requires_grad_()
        core = Differentiable(system, (6, 7), {"a1": a1, "across": across})
        end = core.advance(start, 9, field=field, kept=kept)
        found.append(torch.autograd.grad(end.pow(2).sum(), [start, field, a1, across]))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, two)
    length = system.step()
    ends = []
    for a1 in (-1.0 + 1e-5, -1.0 - 1e-5):
        changed = System(Landau(a1, *LANDAU.vector[1:]), 2, (0.8, 0.9), GRADIENT)
        ends.append(np.sum(Forward(changed, (6, 7)).advance(P.numpy(), 9, step=length) ** 2))
    assert float(found[0][2]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_a_coefficient_is_found_by_its_gradient() -> None:
    """What the torch core is for: a1 of a movie, from a wrong start."""
    truth = System(Landau(-0.5, 0.25), 1, (1.0, 1.0), GRADIENT)
    P = 0.3 * np.random.default_rng(4).normal(size=(1, 1, 8, 8))
    movie = torch.tensor(Forward(truth, (8, 8)).advance(P, 20))
    a1 = torch.tensor(-0.2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([a1], max_iter=30, line_search_fn="strong_wolfe")

    def misfit() -> torch.Tensor:
        optimiser.zero_grad()
        end = Differentiable(truth, (8, 8), {"a1": a1}).advance(torch.tensor(P), 20)
        loss = 1e3 * (end - movie).pow(2).sum()
        loss.backward()
        return loss

    optimiser.step(misfit)
    assert float(a1.detach()) == pytest.approx(-0.5, abs=1e-4)


def test_what_the_torch_core_lacks_is_refused() -> None:
    gap = System(LANDAU, 2, (1.0, 1.0), PLAIN, row_edges=(FREE, FREE), gap=Gap(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="forward core"):
        Differentiable(gap, (4, 4))
    core = Differentiable(System(LANDAU, 2), (4, 4))
    with pytest.raises(ValueError, match="unknown coefficient"):
        Differentiable(core.system, (4, 4), {"a2": 1.0})
    with pytest.raises(UnstableStep):
        core.advance(torch.zeros(1, 2, 4, 4), 1, step=100.0)
    with pytest.raises(ValueError, match="kept"):
        core.advance(torch.zeros(1, 2, 4, 4), 1, kept=-1)
