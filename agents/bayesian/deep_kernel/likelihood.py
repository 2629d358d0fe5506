"""How probable data are under each of several deep kernels, with the gradient in closed form.

The derivative by the latent inputs follows from that by squared distances (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006, eq. 5.9), and goes from there back through the networks by hand, for all members at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from agents.bayesian.deep_kernel.networks import Parts, Prior, latents

if TYPE_CHECKING:
    import torch


class LogPosterior:
    """The log posterior of members, up to a constant, as a function of their standard normal numbers."""

    def __init__(self, prior: Prior, positions: torch.Tensor, features: torch.Tensor, targets: torch.Tensor) -> None:
        """Given standardised targets [n] at positions [n, p] of the unit cube and features [n, K]."""
        self.prior, self._features, self._targets = prior, features, targets
        self._squares = (positions.T[:, :, None] - positions.T[:, None, :]).square()

    def __call__(self, xi: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values [E] and gradients [E, size] at xi [E, size]; a value is not finite where there is none."""
        value, slope = self.log_likelihood(self.prior.rows(xi))
        return value - 0.5 * xi.square().sum(1), slope * self.prior.width - xi

    def log_likelihood(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log marginal likelihoods [E] of members [E, size], and their gradients [E, size]."""
        import torch

        slope, shape = torch.empty_like(rows), self.prior.shape
        part, into = shape.split(rows), shape.split(slope)
        z, hidden = latents(part, self._features)
        signals = self._signals(part, z)
        covariance = sum((signal for signal, _ in signals[1:]), start=signals[0][0].clone())
        covariance.diagonal(dim1=-2, dim2=-1).add_(part["noise"].exp())
        root, failed = torch.linalg.cholesky_ex(covariance)
        residual = (self._targets - part["mean"])[:, :, None]
        weights = torch.cholesky_solve(residual, root)
        pull = torch.baddbmm(torch.cholesky_inverse(root), weights, weights.mT, beta=-1.0)
        value = -0.5 * (residual * weights).sum((1, 2)) - root.diagonal(dim1=-2, dim2=-1).log().sum(1)
        value -= 0.5 * len(self._targets) * math.log(2 * math.pi)
        into["mean"][:] = weights.sum(1)
        self._by_scales(part, into, pull, signals)
        self._by_network(part, into, z, hidden, pull * signals[-1][1])
        return torch.where(failed == 0, value, -math.inf), slope

    def _signals(self, part: Parts, z: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """What `_matern` says of each kernel, that of the position first where there is one."""
        import torch

        scales = part["outputscale"].exp()
        deep = _matern(_squares(z), scales[:, -1])
        if not self.prior.shape.axes:
            return [deep]
        inverse_squares = torch.exp(-2.0 * part["lengthscale"][:, :-1])
        return [_matern(torch.tensordot(inverse_squares, self._squares, dims=1), scales[:, 0]), deep]

    def _by_scales(
        self, part: Parts, into: Parts, pull: torch.Tensor, signals: list[tuple[torch.Tensor, torch.Tensor]]
    ) -> None:
        """From the pull [E, n, n] on covariances to the logarithms of noise, variances and the position's scales."""
        import torch

        into["noise"][:] = 0.5 * part["noise"].exp() * pull.diagonal(dim1=-2, dim2=-1).sum(1, keepdim=True)
        for i, (signal, _) in enumerate(signals):
            into["outputscale"][:, i] = 0.5 * (pull * signal).sum((1, 2))
        if self.prior.shape.axes:
            moved = (pull * signals[0][1]).flatten(1) @ self._squares.flatten(1).T
            into["lengthscale"][:, :-1] = 0.5 * moved * torch.exp(-2.0 * part["lengthscale"][:, :-1])

    def _by_network(self, part: Parts, into: Parts, z: torch.Tensor, hidden: torch.Tensor, pull: torch.Tensor) -> None:
        """From the pull [E, n, n] on squared latent distances back to the weights."""
        import torch

        by_z = pull @ z - pull.sum(2, keepdim=True) * z
        into["lengthscale"][:, -1] = -(by_z * z).sum((1, 2))
        by_z = by_z * torch.exp(-part["lengthscale"][:, -1])[:, None, None]
        into["linear"][:] = by_z.mT @ self._features
        into["outer"][:] = by_z.mT @ hidden
        by_hidden = (by_z @ part["outer"]) * (1.0 - hidden.square())
        into["inner"][:] = by_hidden.mT @ self._features
        into["bias"][:] = by_hidden.sum(1)


def _squares(z: torch.Tensor) -> torch.Tensor:
    """Squared distances [E, n, n] between places [E, n, q]: exactly zero between equal ones."""
    first, *others = z.unbind(2)
    squares = (first[:, :, None] - first[:, None, :]).square_()
    for axis in others:
        squares += (axis[:, :, None] - axis[:, None, :]).square_()
    return squares


def _matern(squares: torch.Tensor, outputscale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Matern 5/2 [E, n, n] of squared distances in length scales, and minus twice its derivative by them."""
    distance = squares.mul(5.0).sqrt_()
    decay = distance.neg().exp_().mul_(outputscale[:, None, None])
    linear = distance.add(1.0)
    return distance.square_().div_(3.0).add_(linear).mul_(decay), linear.mul_(decay).mul_(5.0 / 3.0)
