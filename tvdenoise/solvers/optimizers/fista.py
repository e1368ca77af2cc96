"""Accelerated projected gradient (FISTA) as a ``torch.optim.Optimizer``."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from tvdenoise.solvers.optimizers.uncompiled import UncompiledOptimizer


class FISTA(UncompiledOptimizer):
    r"""Accelerated projected gradient descent for :math:`\min F(p)` over :math:`p \in K`.

    With step number :math:`k = 1, 2, \dots`, step size :math:`\tau` and :math:`P` the projection on :math:`K`:

    .. math::
        r_k = p_{k-1} + \frac{k-1}{k+2} (p_{k-1} - p_{k-2}), \qquad
        p_k = P(r_k - \tau \nabla F(r_k)).

    For convex :math:`F` whose gradient is Lipschitz with constant :math:`L \le 1/\tau` the source proves
    :math:`F(p_k) - F^* \le 2 \|p_0 - p^*\|^2 / (\tau (k+1)^2)` for the momentum of one step earlier,
    :math:`(k-2)/(k+1)`, whose :math:`t_k` is :math:`(k+1)/2`; the tests hold this one to the same bound.

    After each step the parameters hold the feasible point :math:`p_k`; the closure is called while they hold the
    extrapolated point :math:`r_k`. The momentum depends on the step number alone. Each product and each sum is rounded
    for itself (no fused multiply-add, which not every machine has): the same numbers everywhere, bit by bit. The
    gradients the closure leaves are overwritten.

    The state of a parameter is ``step``, the number of steps taken, and ``previous``, :math:`p_{k-1}`.

    Parameters
    ----------
    params
        Tensors to optimise, or groups of them.
    lr
        Step size :math:`\tau > 0`.
    project
        Projects one parameter onto the feasible set in place.
    maximize
        Ascend a concave objective instead.

    Notes
    -----
    Source: Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse problems", SIAM J.
    Imaging Sciences 2 (2009), with :math:`t_k = (k+2)/2`.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        project: Callable[[Tensor], object],
        *,
        maximize: bool = False,
    ) -> None:
        if not lr > 0:
            raise ValueError(f"lr must be more than 0, not {lr}")
        super().__init__(params, {"lr": lr, "project": project, "maximize": maximize})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor | None]) -> Tensor | None:  # type: ignore[override]
        """Take one step; ``closure`` sets the gradients at the parameters' present values and may return the loss."""
        for group in self.param_groups:
            for p in group["params"]:
                self._extrapolate(p)
        loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                step = group["lr"] if group["maximize"] else -group["lr"]
                p.add_(p.grad.mul_(step))
                group["project"](p)
        return loss

    def _extrapolate(self, p: Tensor) -> None:
        """Put r_k into ``p`` and keep p_{k-1}: two buffers change places, one is rewritten, none is allocated."""
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["previous"] = p.detach().clone()
        state["step"] += 1
        k = state["step"]
        momentum = (k - 1) / (k + 2)
        current = p.data
        p.data = state["previous"].sub_(current).mul_(-momentum).add_(current)
        state["previous"] = current
