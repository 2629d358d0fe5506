"""The loop function of nine parameters that piezoresponse loops are fitted with, and the numbers read from it.

theta = (a0, a1, a2, a3, a4, b1, b2, b3, b4). On each branch, of centre V_c (a2 while the bias rises, a3 while it falls)
and widths (b_lo, b_hi) = (b1, b2) or (b3, b4),

    y = [g erf((V - V_c) / g) + b_lo] / (b_lo + b_hi),  g = b_lo below V_c and b_hi above,  response = a0 + a1 y + a4 V

(the form of BGlib, whose smooth change of g over 1 mV is a step here). a0 and a0 + a1 are the two states, a4 is the
electrostatic slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PARAMETERS = 9
_NUCLEATED = (0.03, 0.97)


@dataclass(frozen=True)
class Loop:
    """What is read from loops, [...] each; biases in V, `work` in V times the response's unit."""

    rise_V: Floats
    """Where the branch of rising bias crosses the middle between the states."""
    fall_V: Floats
    imprint_V: Floats
    coercive_V: Floats
    low: Floats
    """Remanent response of the lower state, a0 (the higher one where a1 < 0)."""
    high: Floats
    switchable: Floats
    work: Floats
    """|V+ - V-| |a1|, the area of the loop without its tails."""
    nucleation_up_V: Floats
    """Where 3 % have switched while the bias rises."""
    nucleation_down_V: Floats


def rising(bias_V: Floats) -> NDArray[np.bool_]:
    """Which of the steps [n] were reached with rising bias; the first goes with the second."""
    up = np.diff(bias_V, prepend=bias_V[0]) > 0
    return np.concatenate([up[1:2], up[1:]])


def branch(bias_V: NDArray[Any], centre_V: NDArray[Any], low_V: NDArray[Any], high_V: NDArray[Any]) -> Floats:
    """y, from 0 to 1, of one branch; broadcasts."""
    from scipy.special import erf

    away = bias_V - centre_V
    width = np.where(away < 0, low_V, high_V)
    return np.asarray((width * erf(away / width) + low_V) / (low_V + high_V))


def loop(bias_V: Floats, theta: Floats) -> Floats:
    """Response [..., n] along bias [n] for parameters [..., 9]."""
    a0, a1, a2, a3, a4, b1, b2, b3, b4 = (theta[..., i, None] for i in range(PARAMETERS))
    up = rising(bias_V)
    y = np.where(up, branch(bias_V, a2, b1, b2), branch(bias_V, a3, b3, b4))
    return np.asarray(a0 + a1 * y + a4 * bias_V)


def read(theta: Floats) -> Loop:
    """The numbers of loops [..., 9]."""
    a0, a1 = theta[..., 0], theta[..., 1]
    rise, fall = _crossing(theta[..., [2, 5, 6]], 0.5), _crossing(theta[..., [3, 7, 8]], 0.5)
    return Loop(
        rise_V=rise,
        fall_V=fall,
        imprint_V=(rise + fall) / 2,
        coercive_V=np.abs(rise - fall) / 2,
        low=np.asarray(a0),
        high=a0 + a1,
        switchable=np.abs(a1),
        work=np.abs(rise - fall) * np.abs(a1),
        nucleation_up_V=_crossing(theta[..., [2, 5, 6]], _NUCLEATED[0]),
        nucleation_down_V=_crossing(theta[..., [3, 7, 8]], _NUCLEATED[1]),
    )


def _crossing(one: Floats, level: float) -> Floats:
    """Bias at which a branch [..., 3] = (centre, low width, high width) reaches `level`."""
    from scipy.special import erfinv

    centre, low, high = one[..., 0], one[..., 1], one[..., 2]
    above = level * (low + high) - low
    width = np.where(above < 0, low, high)
    return np.asarray(centre + width * erfinv(np.clip(above / width, -1.0, 1.0)))
