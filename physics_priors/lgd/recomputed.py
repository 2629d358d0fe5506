"""Steps whose graph is built only when a gradient is asked for; needs torch, so loaded only when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from physics_priors.lgd.differentiable import Differentiable


def recomputed(
    core: Differentiable, P: torch.Tensor, field: Any, shift: Any, steps: int, length: float
) -> torch.Tensor:
    """`core.steps`, keeping P alone; differentiable once in P, field, shift and the core's tensors."""
    wanting = core.wanting()
    whole: torch.Tensor = _Steps.apply(core, steps, length, tuple(wanting), P, field, shift, *wanting.values())  # type: ignore[no-untyped-call]
    return whole


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, core: Any, steps: int, length: float, names: tuple[str, ...], *inputs: Any) -> torch.Tensor:
        ctx.what = core, steps, length, names
        ctx.plain = [None if torch.is_tensor(value) else value for value in inputs]
        ctx.save_for_backward(*(value for value in inputs if torch.is_tensor(value)))
        out: torch.Tensor = core.steps(inputs[0], steps, length, inputs[1], inputs[2])
        return out

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[Any, ...]:
        core, steps, length, names = ctx.what
        saved = iter(ctx.saved_tensors)
        inputs = [next(saved).detach() if plain is None else plain for plain in ctx.plain]
        wanted = [i for i, value in enumerate(inputs) if torch.is_tensor(value) and ctx.needs_input_grad[4 + i]]
        for index in wanted:
            inputs[index].requires_grad_()
        with torch.enable_grad():
            again = core.replaced(dict(zip(names, inputs[3:], strict=True)))
            out = again.steps(inputs[0], steps, length, inputs[1], inputs[2])
        found = iter(torch.autograd.grad(out, [inputs[i] for i in wanted], slopes[0], allow_unused=True))
        return None, None, None, None, *(next(found) if i in wanted else None for i in range(len(inputs)))
