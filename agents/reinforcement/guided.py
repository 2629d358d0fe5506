"""What a law favours, added to a network's outputs: policies of Stable-Baselines3 whose first guess is the law's.

The last columns of an observation are log probabilities of the choices, times their weight. The network does not see
them; they are added to what it puts out, before a choice is drawn. Imports torch inside functions only.
"""

from __future__ import annotations

from typing import Any


def guided(base: Any, columns: int) -> Any:
    """A policy class like `base` (an actor-critic policy) that adds the last `columns` of an observation."""
    import torch

    class Beside(torch.nn.Module):
        """A pair of networks on all but the last columns, which go past the first of them."""

        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner
            self.latent_dim_pi, self.latent_dim_vf = inner.latent_dim_pi, inner.latent_dim_vf

        @property
        def policy_net(self) -> Any:
            return self.inner.policy_net

        def forward(self, features: Any) -> Any:
            return self.forward_actor(features), self.forward_critic(features)

        def forward_actor(self, features: Any) -> Any:
            own = self.inner.forward_actor(features[..., :-columns])
            return torch.cat([own, features[..., -columns:]], dim=-1)

        def forward_critic(self, features: Any) -> Any:
            return self.inner.forward_critic(features[..., :-columns])

    class Added(torch.nn.Linear):
        """A layer on all but the last columns, which are added to what it puts out."""

        def forward(self, latent: Any) -> Any:
            return super().forward(latent[..., :-columns]) + latent[..., -columns:]

    class Guided(base):  # type: ignore[misc]  # stable_baselines3 has no types
        def _build_mlp_extractor(self) -> None:
            self.features_dim: int = self.features_dim - columns
            super()._build_mlp_extractor()
            self.features_dim += columns
            self.mlp_extractor: Any = Beside(self.mlp_extractor)

        def _build(self, lr_schedule: Any) -> None:
            distribution = self.action_dist
            made = distribution.proba_distribution_net
            distribution.proba_distribution_net = lambda latent_dim: Added(latent_dim, distribution.action_dim)
            super()._build(lr_schedule)
            distribution.proba_distribution_net = made

    return Guided


def standardised(environments: Any, gamma: float, clip: float, columns: int) -> Any:
    """A VecNormalize of rewards and of observations, all but the last `columns`: variance 1, as they come."""
    from stable_baselines3.common.vec_env import VecNormalize

    class Standardised(VecNormalize):  # type: ignore[misc]  # stable_baselines3 has no types
        def _normalize_obs(self, obs: Any, obs_rms: Any) -> Any:
            found = super()._normalize_obs(obs, obs_rms)
            if columns:
                found[..., -columns:] = obs[..., -columns:]
            return found

    return Standardised(environments, gamma=gamma, clip_obs=clip)
