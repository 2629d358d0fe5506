"""What an operation costs: seconds and electrons, and for a tip its contact work and its volts times seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ELECTRONS_PER_PA_S = 1e-12 / 1.602176634e-19


@dataclass(frozen=True)
class Cost:
    """Additive costs. Fluence is not among them: it belongs to a place (see `instruments.guard`).

    contact_nm_nN is contact path times force [nm nN]; bias_V_s the integral of |bias| over time [V s].
    """

    seconds: float = 0.0
    electrons: float = 0.0
    contact_nm_nN: float = 0.0
    bias_V_s: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds + other.seconds,
            self.electrons + other.electrons,
            self.contact_nm_nN + other.contact_nm_nN,
            self.bias_V_s + other.bias_V_s,
        )

    def scaled(self, fraction: float) -> Cost:
        """The same cost times `fraction`, for an operation ended early."""
        return Cost(
            self.seconds * fraction,
            self.electrons * fraction,
            self.contact_nm_nN * fraction,
            self.bias_V_s * fraction,
        )

    def as_dict(self) -> dict[str, float]:
        """Plain mapping for the journal; `Cost(**mapping)` is its inverse."""
        return dict(vars(self))

    @staticmethod
    def of(mapping: Mapping[str, float]) -> Cost:
        """The cost that `as_dict` wrote."""
        return Cost(**mapping)


def electrons(current_pA: float, seconds: float) -> float:
    """Electrons delivered by `current_pA` [pA] in `seconds`: 6.2415e6 per pA and second (physics.md check 10)."""
    return current_pA * ELECTRONS_PER_PA_S * seconds
