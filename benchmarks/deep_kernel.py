"""Deep kernel learning: what a new measurement costs, and what is predicted, beside training from scratch.

The value is how steep a labyrinth of domains is around a place, which its image tells, but no linear map of a patch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
SIDE, MEASURED = 50, 60
CASES = range(200, 232)
"""Labyrinths that nothing was tuned on: 0 to 7 and 100 to 115 were."""
FROM_SCRATCH = 120
"""Proposals of a training from scratch: 960 gradients, what DKL libraries usually train for being 200 to 1000."""
EPOCHS, RATE, LAYERS = 200, 0.01, (1000, 500, 50, 2)
"""Of the plain loop: as DKL libraries for microscopy have it by default, or use it in their examples."""


def labyrinth(case: int) -> tuple[Floats, Floats]:
    """A noisy image [SIDE, SIDE] of domains, and noisy values [SIDE * SIDE]."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng([41, case])
    field = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5, mode="wrap")
    image = np.tanh(3.0 * field / field.std())
    steep = np.hypot(*np.gradient(gaussian_filter(image, 1.0)))
    noisy = steep + 0.05 * steep.std() * rng.normal(size=steep.shape)
    return image + 0.1 * rng.normal(size=image.shape), noisy.ravel()


def told(agent: Any, case: int) -> tuple[Floats, NDArray[np.intp]]:
    """Tell an agent MEASURED random values, one after another; all values, and the places in the order of telling."""
    from agents.protocol import Decision, Problem, Transition

    image, values = labyrinth(case)
    axis = np.linspace(-1.0, 1.0, SIDE)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    pixels = np.stack(np.divmod(np.arange(SIDE * SIDE), SIDE), axis=-1)
    bounds = np.full(2, -1.0), np.full(2, 1.0)
    agent.begin(Problem(*bounds, "maximise", "v", "", candidates=grid, pixels=pixels, images={"domains": image}), case)
    order = np.random.default_rng([42, case]).permutation(SIDE * SIDE)
    for step, place in enumerate(order[:MEASURED]):
        decision = Decision(grid[place], "told", candidate=int(place))
        agent.tell(Transition(step + 1, decision, float(values[place]), np.ones(step + 1, bool), 0.0, {}))
    return values, order


def refit_s(case: int, **options: Any) -> tuple[float, float]:
    """Seconds, of the clock and of the processor, that an agent takes for one value more and the next decision."""
    from agents.bayesian.deep_kernel.agent import DeepKernel
    from agents.protocol import Decision, Transition

    agent: Any = DeepKernel(**options)
    values, order = told(agent, case)
    agent.act({})
    place = int(order[MEASURED])
    decision = Decision(agent.options.actions[place], "told", candidate=place)
    began, worked = time.perf_counter(), time.process_time()
    agent.tell(Transition(MEASURED + 1, decision, float(values[place]), np.ones(MEASURED + 1, bool), 0.0, {}))
    agent.act({})
    return time.perf_counter() - began, time.process_time() - worked


def plain_loop(case: int) -> tuple[float, Floats, Floats, NDArray[np.intp]]:
    """Seconds of a GPyTorch deep kernel trained anew, mean and standard deviation [SIDE * SIDE], noise included."""
    import gpytorch
    import torch

    from agents.bayesian.features import patches
    from agents.bayesian.surrogate import location_and_scale, one_thread

    image, values = labyrinth(case)
    pixels = np.stack(np.divmod(np.arange(SIDE * SIDE), SIDE), axis=-1)
    order = np.random.default_rng([42, case]).permutation(SIDE * SIDE)
    seen = torch.from_numpy(patches((image - image.mean()) / image.std(), pixels, 5))
    location, scale = location_and_scale(values[order[:MEASURED]])
    targets = torch.from_numpy((values[order[:MEASURED]] - location) / scale)

    class Model(gpytorch.models.ExactGP):  # type: ignore[misc]  # gpytorch has no types
        """A fully connected network before a scaled RBF kernel."""

        def __init__(self, inputs: torch.Tensor, likelihood: Any) -> None:
            super().__init__(inputs, targets, likelihood)
            sizes = (inputs.shape[1], *LAYERS)
            layers = [torch.nn.Linear(a, b).double() for a, b in pairwise(sizes)]
            activated = [part for layer in layers for part in (layer, torch.nn.ReLU())]
            self.network = torch.nn.Sequential(*activated[:-1])
            self.mean_module = gpytorch.means.ConstantMean()
            self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel(ard_num_dims=LAYERS[-1]))

        def forward(self, x: torch.Tensor) -> Any:
            z = self.network(x)
            return gpytorch.distributions.MultivariateNormal(self.mean_module(z), self.covar_module(z))

    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(case)
        began = time.perf_counter()
        likelihood = gpytorch.likelihoods.GaussianLikelihood()
        model = Model(seen[order[:MEASURED]], likelihood).double()
        objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
        optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
        model.train()
        for _ in range(EPOCHS):
            optimiser.zero_grad()
            loss = -objective(model(*model.train_inputs), targets)
            loss.backward()
            optimiser.step()
        model.eval(), likelihood.eval()
        with torch.no_grad(), gpytorch.settings.fast_pred_var():
            found = likelihood(model(seen))
            mean, spread = found.mean.numpy(), found.stddev.numpy()
        took = time.perf_counter() - began
    return took, location + scale * mean, scale * spread, order


def held_out(values: Floats, mean: Floats, spread: Floats, order: NDArray[np.intp]) -> tuple[float, float]:
    """Mean negative log likelihood of values not measured, in nats and standard deviations of the measured ones, and
    the coverage of 90 % intervals.
    """
    rest, scale = order[MEASURED:], values[order[:MEASURED]].std()
    away, width = (values - mean)[rest] / scale, spread[rest] / scale
    nll = 0.5 * np.log(2 * np.pi * width**2) + 0.5 * (away / width) ** 2
    return float(nll.mean()), float(np.mean(np.abs(away) < 1.645 * width))


def _predicted(make: Callable[[], Any], noise: Callable[[Any], float], case: int) -> tuple[float, float]:
    agent = make()
    values, order = told(agent, case)
    prediction = agent.predict()
    return held_out(values, prediction.mean, np.hypot(prediction.std, noise(agent)), order)


@cache
def _scores() -> dict[str, Floats]:
    """[cases, 2] negative log likelihoods and coverages by how the model came to be."""
    from agents.bayesian.deep_kernel.agent import DeepKernel
    from agents.bayesian.gaussian_process import GaussianProcess

    def noise(agent: Any) -> float:
        return float(agent.act({}).figures["noise"])

    def scratch() -> Any:
        return DeepKernel(seeds=MEASURED, warm_up=FROM_SCRATCH)

    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in ("warm", "scratch", "plain", "loop")}
    for case in CASES:
        scores["warm"].append(_predicted(DeepKernel, noise, case))
        scores["scratch"].append(_predicted(scratch, noise, case))
        scores["plain"].append(_predicted(GaussianProcess, noise, case))
        _, mean, spread, order = plain_loop(case)
        scores["loop"].append(held_out(labyrinth(case)[1], mean, spread, order))
    return {name: np.array(rows) for name, rows in scores.items()}


@figure("dkl.refit_s", "s")
def refit() -> Measured:
    """Median time to learn from the 61st value and to score 2500 candidates with the deep kernels."""
    loop = [plain_loop(case)[0] for case in CASES[:3]]
    scratch = [refit_s(case, seeds=MEASURED + 1, warm_up=FROM_SCRATCH)[0] for case in CASES[:3]]
    ours_s, processor_s = np.median([refit_s(case) for case in CASES[:5]], axis=0)
    return Measured(
        value=float(ours_s),
        reference=float(np.median(loop)),
        compared=f"8 networks that follow one value more and score {SIDE * SIDE} candidates, against one network of "
        f"GPyTorch trained anew for {EPOCHS} epochs as DKL libraries do; from_scratch_s is our ensemble trained anew",
        limit=0.5,
        details={"processor_s": float(processor_s), "from_scratch_s": float(np.median(scratch)), "measured": MEASURED},
    )


@figure("dkl.nll_gap", "nats")
def nll_gap() -> Measured:
    """Held-out negative log likelihood per value after 60 values taken in one by one, above that of a training anew."""
    scores = _scores()
    mean = {name: rows.mean(axis=0) for name, rows in scores.items()}
    gaps = scores["warm"][:, 0] - scores["scratch"][:, 0]
    details: dict[str, Any] = {f"nll_{name}": float(nll) for name, (nll, _) in mean.items()}
    details |= {f"coverage_{name}": float(covered) for name, (_, covered) in mean.items()}
    return Measured(
        value=float(gaps.mean()),
        reference=float(mean["loop"][0] - mean["scratch"][0]),
        compared="the ensemble that followed every value (value) and one network of GPyTorch trained anew (reference), "
        "both above the same ensemble trained anew; plain is agent=gaussian_process, coverage of 90 % intervals",
        limit=0.0,
        details=details | {"cases": len(CASES), "standard_error": float(gaps.std(ddof=1) / len(CASES) ** 0.5)},
    )
