"""The elastic energy of a periodic polarisation field in torch, minimised over the displacement wave by wave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physics_priors.lgd.system import System

if TYPE_CHECKING:
    from torch import Tensor


def wave_numbers(shape: tuple[int, int], spacing: tuple[float, float], like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """kx, ky and k^2 (1 where it is 0), [rows, columns], of the full transform."""
    import torch

    kinds: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
    ky = 2 * torch.pi * torch.fft.fftfreq(shape[0], spacing[0], **kinds)[:, None].expand(shape)
    kx = 2 * torch.pi * torch.fft.fftfreq(shape[1], spacing[1], **kinds)[None, :].expand(shape)
    square = (kx**2 + ky**2).clone()
    square[0, 0] = 1.0
    return kx, ky, square


def eigenstrain(system: System, P: Tensor) -> Tensor:
    """Strain [B, 6, rows, columns] (11, 22, 33, 12, 13, 23) that P takes on when it is free."""
    import torch

    e = system.elastic
    assert e is not None
    none = torch.zeros_like(P[:, 0])
    x, y, z = {
        1: (none, none, P[:, 0]),
        2: (P[:, 0], P[:, -1], none),
        3: (P[:, 0], P[:, min(1, P.shape[1] - 1)], P[:, -1]),
    }[P.shape[1]]
    normal = [e.q11 * a**2 + e.q12 * (b**2 + c**2) for a, b, c in ((x, y, z), (y, z, x), (z, x, y))]
    return torch.stack([*normal, e.q44 * x * y, e.q44 * x * z, e.q44 * y * z], 1)


def strain_energy(system: System, shape: tuple[int, int], P: Tensor) -> Tensor:
    """Energy [B]: 1/2 C (strain - eigenstrain)^2 + f P_k,l strain_ij, with the displacement at its minimum.

    Every wave of the displacement has three unknowns u; the energy is u* K u / 2 - Re(u* b), so -b* K^-1 b / 2.
    """
    import torch

    own = eigenstrain(system, P)
    free = system.strain is None
    mean = own.mean((-2, -1), keepdim=True)
    held = mean if free else torch.tensor(system.strain, dtype=P.dtype, device=P.device)[None, :, None, None]
    local = _density(system, own - held)
    waves = torch.fft.fft2(own - mean)
    stress = _stress(system, waves)
    if system.flexoelectric is not None:
        stress = stress - _flexo_stress(system, shape, P)
    return local.sum((-2, -1)) - _released(system, shape, stress) / (shape[0] * shape[1])


def _density(system: System, s: Tensor) -> Tensor:
    e = system.elastic
    assert e is not None
    normal = s[:, :3]
    trace = normal.sum(1)
    return (
        0.5 * (e.c11 - e.c12) * normal.square().sum(1)
        + 0.5 * e.c12 * trace.square()
        + 2 * e.c44 * s[:, 3:].square().sum(1)
    )


def _stress(system: System, s: Tensor) -> Tensor:
    e = system.elastic
    assert e is not None
    trace = e.c12 * s[:, :3].sum(1, keepdim=True)
    return torch_cat([(e.c11 - e.c12) * s[:, :3] + trace, 2 * e.c44 * s[:, 3:]])


def torch_cat(parts: list[Tensor]) -> Tensor:
    """Parts of a tensor joined along the components."""
    import torch

    return torch.cat(parts, 1)


def _flexo_stress(system: System, shape: tuple[int, int], P: Tensor) -> Tensor:
    """f grad P in Fourier space, [B, 6, rows, columns]; no derivative of a Nyquist wave."""
    import torch

    f = system.flexoelectric
    assert f is not None
    kx, ky, _ = wave_numbers(shape, system.spacing, P)
    wave = torch.fft.fft2(P)
    none = torch.zeros_like(wave[:, 0])
    x, y, z = {
        1: (none, none, wave[:, 0]),
        2: (wave[:, 0], wave[:, -1], none),
        3: (wave[:, 0], wave[:, min(1, P.shape[1] - 1)], wave[:, -1]),
    }[P.shape[1]]
    dx, dy = 1j * _without_nyquist(kx, shape[1], -1), 1j * _without_nyquist(ky, shape[0], -2)
    normal = [f.f11 * dx * x + f.f12 * dy * y, f.f12 * dx * x + f.f11 * dy * y, f.f12 * (dx * x + dy * y)]
    return torch.stack([*normal, f.f44 * (dy * x + dx * y), f.f44 * dx * z, f.f44 * dy * z], 1)


def _without_nyquist(k: Tensor, size: int, axis: int) -> Tensor:
    k = k.clone()
    if size % 2 == 0:
        k.select(axis, size // 2).zero_()
    return k


def _released(system: System, shape: tuple[int, int], stress: Tensor) -> Tensor:
    """Sum over waves of b* K^-1 b / 2, b = stress k: what the displacement gains (no mixed Nyquist parts)."""
    kx, ky, _ = wave_numbers(shape, system.spacing, stress.real)
    e = system.elastic
    assert e is not None
    odd = _without_nyquist(_without_nyquist(kx * ky, shape[1], -1), shape[0], -2)
    a, b, c = e.c11 * kx**2 + e.c44 * ky**2, e.c44 * kx**2 + e.c11 * ky**2, (e.c12 + e.c44) * odd
    determinant = a * b - c**2
    determinant[0, 0] = 1.0
    plane = _plane_energy(kx, ky, odd, (b / determinant, a / determinant, -c / determinant), stress)
    antiplane = e.c44 * (kx**2 + ky**2)
    antiplane[0, 0] = 1.0
    s, t = stress[:, 4], stress[:, 5]
    mixed = 2 * odd * (s * t.conj()).real
    out_of_plane = (kx**2 * s.abs().square() + ky**2 * t.abs().square() + mixed) / antiplane
    return 0.5 * (plane + out_of_plane).sum((-2, -1))


def _plane_energy(kx: Tensor, ky: Tensor, xy: Tensor, g: tuple[Tensor, Tensor, Tensor], stress: Tensor) -> Tensor:
    """b* G b with b = (kx s11 + ky s12, kx s12 + ky s22), multiplied out into even products of the wave numbers."""
    s11, s22, s12 = stress[:, 0], stress[:, 1], stress[:, 3]
    g11, g22, g12 = g
    xx, yy = kx**2, ky**2

    def product(p: Tensor, q: Tensor) -> Tensor:
        return (p * q.conj()).real

    first = xx * product(s11, s11) + yy * product(s12, s12) + 2 * xy * product(s11, s12)
    second = xx * product(s12, s12) + yy * product(s22, s22) + 2 * xy * product(s12, s22)
    third = xx * product(s11, s12) + xy * (product(s11, s22) + product(s12, s12)) + yy * product(s12, s22)
    return g11 * first + g22 * second + 2 * g12 * third
