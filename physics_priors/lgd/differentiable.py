"""The torch core: the same dynamics as `forward`, differentiable in P, the field, and every coefficient.

It is written from the energy's side and shares no code with the compiled one: each is the other's oracle.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from physics_priors.lgd.system import System

if TYPE_CHECKING:
    from torch import Tensor

NAMES = (
    "a1",
    "a11",
    "a12",
    "a111",
    "a112",
    "a123",
    "a1111",
    "a1112",
    "a1122",
    "a1123",
    "along",
    "across",
    "cross",
    "mobility",
)


class Differentiable:
    """Energy, force and steps of a System in torch, for P [B, C, rows, columns] on any device.

    `parameters` replaces some of NAMES by tensors, say such that want gradients. No thermal noise, no gap: `forward`
    has them. `advance` keeps the state at the start of every `kept` steps, and computes what lies between again when a
    gradient is asked for; with kept=0 it keeps everything, which costs more memory traffic than the arithmetic takes.
    """

    def __init__(self, system: System, shape: tuple[int, int], parameters: dict[str, Any] | None = None) -> None:
        if system.gap is not None or system.thermal is not None:
            raise ValueError("the torch core has no gap and no thermal noise: take the forward core")
        self.system, self.shape = system, (int(shape[0]), int(shape[1]))
        values: dict[str, Any] = dict(
            zip(NAMES, (*system.landau.vector, *system.gradients, system.mobility), strict=True)
        )
        if unknown := set(parameters or {}) - set(values):
            raise ValueError(f"unknown coefficient {sorted(unknown)[0]!r}; known: {', '.join(NAMES)}")
        self._c: dict[str, Any] = {
            name: value if isinstance(value, float) else float(value) for name, value in values.items()
        }
        self._c |= parameters or {}
        self._edges = system.row_edges, system.column_edges
        self._waves: tuple[Any, ...] | None = None

    def energy(self, P: Tensor, field: Any = 0.0, shift: Any = 0.0) -> Tensor:
        """Total energy [B] over the grid, in energy density times one cell."""
        import torch

        c = self._c
        squares = list((P * P).unbind(1))
        x, y, z = self._in_space(squares)
        plate = 0.5 * self.system.plate * squares[-1] if self.system.components != 2 else 0.0
        density = (
            (c["a1"] + shift) * (x + y + z)
            + plate
            + self._fourth(x, y, z)
            + self._sixth(x, y, z)
            + self._eighth(x, y, z)
        )
        density = density - (field * P).sum(1) if torch.is_tensor(field) or field else density
        total = density.sum((-2, -1)) + self._gradient_energy(P)
        whole: Tensor = total + self._long_range_energy(P)
        return whole

    def force(self, P: Tensor, field: Any = 0.0, shift: Any = 0.0) -> Tensor:
        """-dF/dP [B, C, rows, columns]."""
        return self._force(P, field, shift, self._weights(P) if self._convolves else None)

    def _force(self, P: Tensor, field: Any, shift: Any, weights: Tensor | None) -> Tensor:
        import torch

        local = (self._laplacians(P) if weights is None else _spread(P, weights)) - self._slope(P, shift)
        local = local + field if torch.is_tensor(field) or field else local
        return local if self.system.local else local + self._long_range(P)

    def advance(
        self, P: Tensor, steps: int, *, step: float | None = None, field: Any = 0.0, shift: Any = 0.0, kept: int = 5
    ) -> Tensor:
        """P after `steps` steps; raises UnstableStep as the system does, ValueError where `kept` is below 0."""
        if kept < 0:
            raise ValueError(f"kept={kept} must be at least 0")
        length = self.system.step(step)
        if kept == 0:
            return self.steps(P, steps, length, field, shift)
        from physics_priors.lgd.recomputed import recomputed

        for done in range(0, steps, kept):
            P = recomputed(self, P, field, shift, min(kept, steps - done), length)
        return P

    def wanting(self) -> dict[str, Tensor]:
        """The coefficients that are tensors, by name."""
        import torch

        return {name: value for name, value in self._c.items() if torch.is_tensor(value)}

    def replaced(self, parameters: dict[str, Any]) -> Differentiable:
        """The same core with other coefficients."""
        return Differentiable(self.system, self.shape, {**self.wanting(), **parameters})

    def steps(self, P: Tensor, steps: int, length: float, field: Any, shift: Any) -> Tensor:
        """As `advance`, of a length that is not checked, keeping everything."""
        rate = self._c["mobility"] * length
        weights = self._weights(P) if self._convolves else None
        for _ in range(steps):
            force = self._force(P, field, shift, weights)
            P = P.add(force, alpha=rate) if isinstance(rate, float) else P + rate * force
        return P

    def _in_space(self, squares: list[Any]) -> tuple[Any, Any, Any]:
        none = squares[0] * 0.0
        return {1: (none, none, squares[0]), 2: (*squares, none), 3: tuple(squares)}[len(squares)]

    def _fourth(self, x: Any, y: Any, z: Any) -> Any:
        return self._c["a11"] * (x**2 + y**2 + z**2) + self._c["a12"] * (x * y + y * z + z * x)

    def _sixth(self, x: Any, y: Any, z: Any) -> Any:
        c = self._c
        mixed = x**2 * (y + z) + y**2 * (x + z) + z**2 * (x + y)
        return c["a111"] * (x**3 + y**3 + z**3) + c["a112"] * mixed + c["a123"] * x * y * z

    def _eighth(self, x: Any, y: Any, z: Any) -> Any:
        c = self._c
        mixed = x**3 * (y + z) + y**3 * (x + z) + z**3 * (x + y)
        pairs = (x * y) ** 2 + (y * z) ** 2 + (z * x) ** 2
        total = c["a1111"] * (x**4 + y**4 + z**4) + c["a1112"] * mixed
        return total + c["a1122"] * pairs + c["a1123"] * x * y * z * (x + y + z)

    def _slope(self, P: Tensor, shift: Any) -> Tensor:
        """df/dP; for one and two components only the terms that are there are computed."""
        import torch

        if self.system.components == 3:
            return self._slope_of_three(P, shift)
        c, x = self._c, P * P
        per_square = _horner(x, [c["a11"] * 2, c["a111"] * 3, c["a1111"] * 4])
        if self.system.components == 2:
            y = x.flip(1)
            mixed = _horner(y, [c["a12"], c["a112"], c["a1112"]])
            twice = _horner(x, [c["a112"] * 2, c["a1112"] * 3])
            both = y * y * x * (2 * c["a1122"]) if _present(c["a1122"]) else None
            per_square = _sum(per_square, mixed, None if twice is None else twice * y, both)
        first = c["a1"] + (self.system.plate / 2 if self.system.components == 1 else 0.0)
        local = shift.unsqueeze(-3) if torch.is_tensor(shift) and shift.ndim > 1 else shift
        whole = _sum(per_square, first + local)
        slope: Tensor = 2 * P * whole
        return slope

    def _slope_of_three(self, P: Tensor, shift: Any) -> Tensor:
        import torch

        c, parts = self._c, []
        squares = (P * P).unbind(1)
        for i in range(3):
            x, y, z = squares[i], squares[(i + 1) % 3], squares[(i + 2) % 3]
            low = c["a1"] + shift + (self.system.plate / 2 if i == 2 else 0.0) + 2 * c["a11"] * x + c["a12"] * (y + z)
            sixth = 3 * c["a111"] * x**2 + c["a112"] * (2 * x * (y + z) + y**2 + z**2) + c["a123"] * y * z
            eighth = 4 * c["a1111"] * x**3 + c["a1112"] * (3 * x**2 * (y + z) + y**3 + z**3)
            eighth = eighth + 2 * c["a1122"] * x * (y**2 + z**2) + c["a1123"] * y * z * (2 * x + y + z)
            parts.append(2 * P[:, i] * (low + sixth + eighth))
        return torch.stack(parts, 1)

    def _laplacians(self, P: Tensor) -> Tensor:
        import torch

        c, (dy, dx) = self._c, self.system.spacing
        if self.system.gradient is None:
            return torch.zeros_like(P)
        by_x, by_y = (self._second(P, axis) for axis in (-1, -2))
        parts = []
        for index, component in enumerate(self._axes()):
            gx, gy = (c["along"] if component == axis else c["across"] for axis in (0, 1))
            part = gx / dx**2 * by_x[:, index] + gy / dy**2 * by_y[:, index]
            if component < 2:
                other = P[:, 1 - index]
                part = part + c["cross"] * self._mixed(other)
            parts.append(part)
        return torch.stack(parts, 1)

    @property
    def _convolves(self) -> bool:
        """Whether all gradient terms are one periodic convolution."""
        return self.system.gradient is not None and self._edges == (None, None) and min(self.shape) > 1

    def _weights(self, like: Tensor) -> Tensor:
        """What `_spread` takes, differentiable in the coefficients; a stencil only where there are mixed terms."""
        import torch

        if self.system.components == 1 or not _present(self._c["cross"]):
            return self._star(like)
        axes = self._axes()
        blocks = [self._block(like, component, other) for component in axes for other in axes]
        return torch.stack(blocks).reshape(len(axes), len(axes), 3, 3)

    def _star(self, like: Tensor) -> Tensor:
        import torch

        rows = []
        for axis, spacing in ((0, self.system.spacing[1]), (1, self.system.spacing[0])):
            picked = [self._c["along"] if component == axis else self._c["across"] for component in self._axes()]
            whole = [torch.as_tensor(g, dtype=like.dtype, device=like.device) / spacing**2 for g in picked]
            rows.append(torch.stack(whole).reshape(-1, 1, 1))
        return torch.stack(rows)

    def _block(self, like: Tensor, component: int, other: int) -> Tensor:
        """The part [3, 3] of the stencil by which one component feels another."""
        import torch

        dy, dx = self.system.spacing
        if component == other:
            gx, gy = (self._c["along"] if component == axis else self._c["across"] for axis in (0, 1))
            cross: Tensor = gx / dx**2 * _bar(like, 1) + gy / dy**2 * _bar(like, 0)
            return cross
        if component < 2 and other < 2:
            saddle: Tensor = self._c["cross"] / (4 * dx * dy) * _saddle(like)
            return saddle
        return torch.zeros(3, 3, dtype=like.dtype, device=like.device)

    def _axes(self) -> tuple[int, ...]:
        return {1: (2,), 2: (0, 1), 3: (0, 1, 2)}[self.system.components]

    def _moved(self, P: Tensor, by: int, axis: int) -> Tensor:
        """P at the neighbour on one side, with ghost cells at the edges."""
        import torch

        edges = self._edges[0 if axis == -2 else 1]
        if edges is None:
            return P.roll(-by, axis)
        length = edges[1 if by > 0 else 0] / self.system.spacing[0 if axis == -2 else 1]
        ratio = 1.0 if math.isinf(length) else (length - 0.5) / (length + 0.5)
        size = P.shape[axis]
        inner = P.narrow(axis, 1 if by > 0 else 0, size - 1)
        ghost = ratio * P.narrow(axis, size - 1 if by > 0 else 0, 1)
        return torch.cat([inner, ghost] if by > 0 else [ghost, inner], axis)

    def _second(self, P: Tensor, axis: int) -> Tensor:
        return self._moved(P, 1, axis) + self._moved(P, -1, axis) - 2 * P

    def _mixed(self, P: Tensor) -> Tensor:
        dy, dx = self.system.spacing
        by_x = self._moved(P, 1, -1) - self._moved(P, -1, -1)
        return (self._moved(by_x, 1, -2) - self._moved(by_x, -1, -2)) / (4 * dx * dy)

    def _gradient_energy(self, P: Tensor) -> Any:
        """Sum of 1/2 G P_i,j P_k,l over differences between cells, and the surface energy of edges."""
        if self.system.gradient is None:
            return 0.0
        total: Any = 0.0
        for index, component in enumerate(self._axes()):
            for axis, direction in ((-1, 0), (-2, 1)):
                g = self._c["along"] if component == direction else self._c["across"]
                total = total + g * self._bonds(P[:, index], axis)
        if len(self._axes()) > 1:
            dy, dx = self.system.spacing
            first = (self._moved(P[:, 0], 1, -1) - self._moved(P[:, 0], -1, -1)) / (2 * dx)
            second = (self._moved(P[:, 1], 1, -2) - self._moved(P[:, 1], -1, -2)) / (2 * dy)
            total = total + (self._c["cross"] * first * second).sum((-2, -1))
        return total

    def _bonds(self, P: Tensor, axis: int) -> Tensor:
        edges = self._edges[0 if axis == -2 else 1]
        spacing = self.system.spacing[0 if axis == -2 else 1]
        if edges is None:
            return 0.5 * ((P.roll(-1, axis) - P) / spacing).square().sum((-2, -1))
        size = P.shape[axis]
        total = 0.5 * (P.diff(dim=axis) / spacing).square().sum((-2, -1))
        for place, length in zip((0, size - 1), edges, strict=True):
            if not math.isinf(length):
                ratio = (length / spacing - 0.5) / (length / spacing + 0.5)
                total = total + 0.5 * (1 - ratio) / spacing**2 * P.narrow(axis, place, 1).square().sum((-2, -1))
        return total

    def _long_range(self, P: Tensor) -> Tensor:
        """The field of charges and strains: by automatic differentiation of their energy."""
        import torch

        with torch.enable_grad():
            inner = P if P.requires_grad else P.detach().requires_grad_()
            energy = self._long_range_energy(inner).sum()
            (slope,) = torch.autograd.grad(energy, inner, create_graph=P.requires_grad)
        return -slope

    def _long_range_energy(self, P: Tensor) -> Any:
        total: Any = 0.0
        if self.system.depolarisation is not None:
            total = total + self._charge_energy(P)
        if self.system.elastic is not None:
            from physics_priors.lgd.differentiable_strain import strain_energy

            total = total + strain_energy(self.system, self.shape, P)
        return total

    def _charge_energy(self, P: Tensor) -> Tensor:
        """Half the integral of (k P)^2 / (eps k^2), by Parseval."""
        import torch

        from physics_priors.lgd.differentiable_strain import wave_numbers

        kx, ky, square = wave_numbers(self.shape, self.system.spacing, P)
        wave = torch.fft.fft2(P)
        bound = _real_pairs(kx, ky, wave[:, 0], wave[:, 1], self.shape)
        assert self.system.depolarisation is not None
        return 0.5 * (bound / square).sum((-2, -1)) / (self.system.depolarisation * self.shape[0] * self.shape[1])


def _real_pairs(kx: Tensor, ky: Tensor, a: Tensor, b: Tensor, shape: tuple[int, int]) -> Tensor:
    """|kx a + ky b|^2 with the mixed product left out where a wave number is Nyquist's."""
    mixed = (kx * ky * 2 * (a * b.conj()).real).clone()
    if shape[1] % 2 == 0:
        mixed[..., shape[1] // 2] = 0.0
    if shape[0] % 2 == 0:
        mixed[..., shape[0] // 2, :] = 0.0
    return kx**2 * a.abs().square() + ky**2 * b.abs().square() + mixed


def _spread(P: Tensor, weights: Tensor) -> Tensor:
    """Periodic gradient terms: by slices with weights [2, C, 1, 1] of the two axes, else by a stencil [C, C, 3, 3]."""
    from torch.nn.functional import conv2d, pad

    padded = pad(P, (1, 1, 1, 1), mode="circular")
    if weights.shape[-1] == 3:
        return conv2d(padded, weights)
    by_x = padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2]
    by_y = padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1]
    return (weights[0] * by_x).addcmul(weights[1], by_y).addcmul(weights.sum(0), P, value=-2.0)


def _bar(like: Tensor, axis: int) -> Tensor:
    import torch

    stencil = torch.zeros(3, 3, dtype=like.dtype, device=like.device)
    line = torch.tensor([1.0, -2.0, 1.0], dtype=like.dtype, device=like.device)
    if axis:
        stencil[1] = line
    else:
        stencil[:, 1] = line
    return stencil


def _saddle(like: Tensor) -> Tensor:
    import torch

    return torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]], dtype=like.dtype, device=like.device)


def _present(value: Any) -> bool:
    return not isinstance(value, float) or value != 0.0


def _horner(x: Any, coefficients: list[Any]) -> Any:
    """c0 x + c1 x^2 + ...; None where all are zero."""
    while coefficients and not _present(coefficients[-1]):
        coefficients = coefficients[:-1]
    if not coefficients:
        return None
    total = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * x + c if _present(c) else total * x
    return total * x


def _sum(*terms: Any) -> Any:
    there = [t for t in terms if t is not None and not (isinstance(t, float) and t == 0.0)]
    total = there[0] if there else 0.0
    for term in there[1:]:
        total = total + term
    return total
