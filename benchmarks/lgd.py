"""Figures of Landau-Ginzburg-Devonshire dynamics: updates a second, compiled, coupled and differentiable.

An update is one component of one cell advanced by one time step. The reference run is lead titanate at 25 C in reduced
units on 256 x 256 cells of 0.27 nm with two components, from noise, with the step that the system chooses.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.registry import Measured, figure

_SIDE = 256
_UPDATES = 2 * _SIDE * _SIDE
_MOBILITY_1_OHM_M = 1.0
"""L = 1 / (1 Ohm m), the fast end of what is known; a simulated second takes so much longer the larger it is."""


@figure("lgd.updates_per_s", "updates/s")
def updates() -> Measured:
    """Bulk and gradient terms, 256 x 256, two components, float32, compiled."""
    import numpy as np

    from physics_priors.lgd.forward import Forward

    system, start = _system(), _noise(np.float32)
    core = Forward(system, (_SIDE, _SIDE), np.float32)
    rate = _rate(lambda steps: core.advance(start, steps), 400)
    error = _disagreement(system, 2000)
    details = {
        "float32_against_float64": error,
        "numpy_updates_per_s": _numpy_rate(),
        "pure_python_lattice_updates_per_s": _python_rate(),
        "simulated_s_per_wall_s": _simulated(system, rate),
        "step_reduced": system.step(),
        "definition": "one component of one cell advanced by one time step",
    }
    assert error <= 1e-4, f"float32 is {error:g} away from float64 on the reference run"
    compared = (
        "compiled forward core in one thread against the same terms in vectorised NumPy; allowed were two threads"
    )
    return Measured(rate, details["numpy_updates_per_s"], compared, 3e8, True, details=details)


@figure("lgd.coupled_updates_per_s", "updates/s")
def coupled() -> Measured:
    """As lgd.updates_per_s, with depolarisation and elastic terms in Fourier space."""
    import numpy as np

    from physics_priors.lgd.forward import Forward

    system, start = _system(coupled=True), _noise(np.float32)
    core = Forward(system, (_SIDE, _SIDE), np.float32)
    rate = _rate(lambda steps: core.advance(start, steps), 40)
    error = _disagreement(system, 400)
    assert error <= 1e-4, f"float32 is {error:g} away from float64 on the reference run"
    details = {"float32_against_float64": error, "simulated_s_per_wall_s": _simulated(system, rate)}
    compared = "compiled forward core with every field by fast Fourier transform against NumPy without these terms"
    return Measured(rate, _numpy_rate(), compared, 1.5e7, True, details=details)


@figure("lgd.grad_updates_per_s", "updates/s")
def differentiable() -> Measured:
    """Bulk and gradient terms in torch, float32, a forward run that a gradient can be taken of."""
    import torch

    from physics_priors.lgd.differentiable import Differentiable

    torch.set_num_threads(1)
    system = _system()
    core = Differentiable(system, (_SIDE, _SIDE))
    start = torch.tensor(_noise("float32"), requires_grad=True)
    rate = _rate(lambda steps: core.advance(start, steps), 60)
    began = time.perf_counter()
    core.advance(start, 60).square().sum().backward()  # type: ignore[no-untyped-call]
    both = 60 * _UPDATES / (time.perf_counter() - began)
    details = {"forward_and_backward_updates_per_s": both, "simulated_s_per_wall_s": _simulated(system, rate)}
    compared = "torch, every state kept and its graph built when the gradient is asked for, against plain NumPy"
    return Measured(rate, _numpy_rate(), compared, 5e7, True, details=details)


def _system(coupled: bool = False) -> Any:
    from physics_priors.lgd.materials import LEAD_TITANATE
    from physics_priors.lgd.system import Reduced, System

    landau, gradient = LEAD_TITANATE.landau(298.15), LEAD_TITANATE.gradient
    units = Reduced.of(landau, gradient.across)
    plain: dict[str, Any] = {"landau": units.landau(landau), "components": 2, "spacing": (0.5, 0.5)}
    plain["gradient"] = units.gradient(gradient)
    if coupled:
        plain |= {"elastic": units.elastic(LEAD_TITANATE.elastic), "depolarisation": units.permittivity(10.0)}
    return System(**plain)


def _noise(dtype: Any) -> Any:
    import numpy as np

    return (0.1 * np.random.default_rng(0).normal(size=(1, 2, _SIDE, _SIDE))).astype(dtype)


def _rate(run: Callable[[int], Any], steps: int, rounds: int = 5) -> float:
    """Updates a second, the median of some rounds after one that warms up."""
    run(steps)
    seen = []
    for _ in range(rounds):
        began = time.perf_counter()
        run(steps)
        seen.append(steps * _UPDATES / (time.perf_counter() - began))
    return statistics.median(seen)


def _disagreement(system: Any, steps: int) -> float:
    """Largest difference of float32 and float64 after the reference run, in units of the spontaneous polarisation."""
    import numpy as np

    from physics_priors.lgd.forward import Forward

    ends = [Forward(system, (_SIDE, _SIDE), d).advance(_noise(d), steps) for d in (np.float32, np.float64)]
    return float(np.max(np.abs(ends[0] - ends[1])))


def _simulated(system: Any, rate: float) -> float:
    """Seconds of lead titanate simulated in a second, for L = 1 / (1 Ohm m): the time unit is 1 / (L |a1|)."""
    from physics_priors.lgd.materials import LEAD_TITANATE

    unit_s = 1 / (_MOBILITY_1_OHM_M * abs(LEAD_TITANATE.landau(298.15).a1))
    return float(rate / _UPDATES * system.step() * unit_s)


def _numpy_rate() -> float:
    """The same terms written with whole arrays, float32."""
    import numpy as np

    system = _system()
    c, g, dx = system.landau, system.gradients, system.spacing[0]
    P = _noise(np.float32)[0]
    rate = np.float32(system.step())

    def step(P: Any) -> Any:
        x = P * P
        y = x[::-1]
        slope = c.a1 + 2 * c.a11 * x + c.a12 * y + 3 * c.a111 * x * x + c.a112 * (2 * x * y + y * y)
        by_x = np.roll(P, 1, 2) + np.roll(P, -1, 2) - 2 * P
        by_y = np.roll(P, 1, 1) + np.roll(P, -1, 1) - 2 * P
        along = np.stack([by_x[0], by_y[1]]) * (g[0] / dx**2)
        across = np.stack([by_y[0], by_x[1]]) * (g[1] / dx**2)
        return (P + rate * (along + across - 2 * P * slope)).astype(np.float32)

    def run(steps: int) -> None:
        now = P
        for _ in range(steps):
            now = step(now)

    return _rate(run, 20, 3)


def _python_rate() -> float:
    """The lattice model cell by cell in plain Python, 16 x 16, one component, as it has been published."""
    import random

    from physics_priors.lgd.lattice import Lattice

    model, n, steps = Lattice(depolarisation=0.0), 16, 60
    chance = random.Random(0)
    P = [[chance.uniform(-1, 1) for _ in range(n)] for _ in range(n)]
    began = time.perf_counter()
    for _ in range(steps):
        P = [[_cell(model, P, i, j, n) for j in range(n)] for i in range(n)]
    return float(steps * n * n / (time.perf_counter() - began))


def _cell(model: Any, P: list[list[float]], i: int, j: int, n: int) -> float:
    near = P[i - 1][j] + P[(i + 1) % n][j] + P[i][j - 1] + P[i][(j + 1) % n]
    x = P[i][j]
    slope = model.beta * x**3 + model.alpha * x + model.coupling * (model.own * x - near)
    return float(x - model.gamma * 0.01 * slope)
