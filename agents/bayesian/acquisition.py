"""What a measurement is worth: BoTorch's acquisition functions, on all candidates in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Acquisition = Literal["log_expected_improvement", "upper_confidence_bound", "integrated_variance"]


def log_expected_improvement(mean: torch.Tensor, variance: torch.Tensor, best: float) -> torch.Tensor:
    """Log of the improvement over `best` to expect at each candidate, [n]."""
    from botorch.acquisition import LogExpectedImprovement

    return _score(LogExpectedImprovement(_tabulated(mean, variance), best_f=best), len(mean))


def upper_confidence_bound(mean: torch.Tensor, variance: torch.Tensor, beta: float) -> torch.Tensor:
    """Mean plus sqrt(beta) standard deviations at each candidate, [n]."""
    from botorch.acquisition import UpperConfidenceBound

    return _score(UpperConfidenceBound(_tabulated(mean, variance), beta=beta), len(mean))


def _score(function: Any, count: int) -> torch.Tensor:
    import torch

    with torch.no_grad():
        return torch.as_tensor(function(torch.arange(count, dtype=torch.float64)[:, None, None]))


def _tabulated(mean: torch.Tensor, variance: torch.Tensor) -> Any:
    """A BoTorch model whose posterior is known in a table: X [n, 1, 1] holds row numbers."""
    from botorch.models.model import Model
    from botorch.posteriors import GPyTorchPosterior
    from gpytorch.distributions import MultivariateNormal
    from linear_operator.operators import DiagLinearOperator

    class Tabulated(Model):  # type: ignore[misc]  # botorch has no types
        """Looks its posterior up."""

        num_outputs = 1

        def posterior(self, X: torch.Tensor, *_: Any, **__: Any) -> Any:
            row = X[..., 0].long()
            return GPyTorchPosterior(MultivariateNormal(mean[row], DiagLinearOperator(variance[row])))

    return Tabulated()
