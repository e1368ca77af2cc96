"""Accelerated alternating descent as a ``torch.optim.Optimizer``."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from tvdenoise.solvers.optimizers.uncompiled import UncompiledOptimizer


class AlternatingDescent(UncompiledOptimizer):
    r"""Accelerated alternating descent for :math:`\min F(x_1, x_2)`, where either block alone is soon minimised over.

    With step number :math:`k = 1, 2, \dots`:

    .. math::
        y_k &= x_2^{k-1} + \frac{k-1}{k+2} (x_2^{k-1} - x_2^{k-2}), \\
        x_1^k &= \arg\min_{x_1} F(x_1, y_k), \qquad
        x_2^k = \arg\min_{x_2} F(x_1^k, x_2).

    For :math:`F = \frac12 \|A_1 x_1 + A_2 x_2 - f\|^2` under convex constraints on either block,
    the source proves
    :math:`F(x^k) - F^* \le 2 \|A_2 (x_2^0 - x_2^*)\|^2 / (k+1)^2` for the momentum of one step earlier; the tests hold
    this one to the same bound. No step size is asked for.

    The closure is called while the second block holds the extrapolated :math:`y_k`, and :math:`x_2^{k-1}` is in its
    state; it may return the loss. Each product and each sum is rounded for itself, as by :class:`FISTA`.

    The state of a parameter of the second block is ``step``, the number of steps taken, and ``previous``,
    :math:`x_2^{k-1}`.

    Parameters
    ----------
    blocks
        Two groups of parameters; ``minimize`` of each is called to put the minimiser over its block, or what is near
        it, into its ``params``.

    Notes
    -----
    Source: Chambolle, Tan and Vaiter, "Accelerated alternating descent methods for Dykstra-like problems", J.
    Mathematical Imaging and Vision 59 (2017), with :math:`t_k = (k+2)/2`.
    """

    def __init__(self, blocks: Iterable[dict[str, Any]]) -> None:
        super().__init__(blocks, {})
        minimizers = [group.get("minimize") for group in self.param_groups]
        if len(minimizers) != 2 or not all(map(callable, minimizers)):
            raise ValueError("two groups of parameters are asked for, each with minimize")

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor | None]) -> Tensor | None:  # type: ignore[override]
        """Take one step; ``closure`` is told of the extrapolation and may return the loss."""
        first, second = self.param_groups
        for x in second["params"]:
            self._extrapolate(x)
        loss = closure()
        first["minimize"]()
        second["minimize"]()
        return loss

    def _extrapolate(self, x: Tensor) -> None:
        state = self.state[x]
        if not state:
            state |= {"step": 0, "previous": x.detach().clone()}
        state["step"] += 1
        k = state["step"]
        previous = state["previous"]
        momentum = (k - 1) / (k + 2)
        change = torch.sub(x, previous).mul_(momentum)
        previous.copy_(x)
        x.add_(change)
