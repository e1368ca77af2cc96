"""The primal-dual hybrid gradient method (PDHG) as a ``torch.optim.Optimizer``."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tvdenoise.solvers.optimizers.uncompiled import UncompiledOptimizer

# How far a step of a problem without strong convexity goes beyond its end, which is proven to converge below 2.
RELAXATION = 1.9


class PDHG(UncompiledOptimizer):
    r"""Primal-dual hybrid gradient for :math:`\min_u \max_p F(u) + \langle A u, p \rangle - G(p)`.

    With step sizes :math:`\tau \sigma \|A\|^2 = 1`:

    .. math::
        x &= \mathrm{prox}_{\tau F}(u - \tau A^\top p), \\
        y &= \mathrm{prox}_{\sigma G}(p + \sigma A(x + \theta (x - u))), \\
        (u, p) &\leftarrow (u, p) + \rho\,(x - u,\; y - p).

    Where F has a modulus :math:`\gamma > 0` of strong convexity, :math:`\rho = 1` and in each step, before y,
    :math:`\theta = 1 / \sqrt{1 + 2 \gamma \tau}`, :math:`\tau \leftarrow \theta \tau` and
    :math:`\sigma \leftarrow \sigma / \theta`: then :math:`\|x - u^*\|^2` falls as :math:`1 / k^2`. Else
    :math:`\theta = 1` and :math:`\rho` is :data:`RELAXATION`, which turns around the answer where F is flat: start
    again from the mean of some points (x, y), by :meth:`restart`.

    After each step the state of u and of p has ``point``, x and y, which are in the domains of F and G; the parameters
    themselves hold what the next step starts from. No gradient is asked for.

    Parameters
    ----------
    primal, dual
        The tensors u and p.
    forward, adjoint
        Return :math:`A u` and :math:`A^\top p`; what they return may be overwritten by the next call.
    prox
        Returns :math:`\mathrm{prox}_{\tau F}` of a tensor and :math:`\tau`.
    project
        Projects in place on the domain of G, which is 0 there.
    squared_norm
        An upper bound on :math:`\|A\|^2`.
    lr
        The first step size :math:`\tau > 0`: about the distance of u to its answer over that of p, over
        :math:`\|A\|`.
    modulus
        The modulus :math:`\gamma` of F.

    Notes
    -----
    Sources: Chambolle and Pock, "A first-order primal-dual algorithm for convex problems with applications to imaging",
    J. Mathematical Imaging and Vision 40 (2011), algorithms 1 and 2; Condat, "A primal-dual splitting method for convex
    optimization involving Lipschitzian, proximable and linear composite terms", J. Optimization Theory and Applications
    158 (2013), for the relaxation; Applegate et al., "Practical large-scale linear programming using primal-dual hybrid
    gradient", NeurIPS 2021, for restarts from the mean.
    """

    def __init__(
        self,
        primal: Tensor,
        dual: Tensor,
        *,
        forward: Callable[[Tensor], Tensor],
        adjoint: Callable[[Tensor], Tensor],
        prox: Callable[[Tensor, float], Tensor],
        project: Callable[[Tensor], object],
        squared_norm: float,
        lr: float,
        modulus: float = 0.0,
    ) -> None:
        if not 0 < lr < math.inf:
            raise ValueError(f"lr must be a finite number above 0, not {lr}")
        if not modulus >= 0:
            raise ValueError(f"modulus must be 0 or more, not {modulus}")
        first: dict[str, Any] = {"params": [primal], "lr": lr, "map": adjoint, "prox": prox}
        second: dict[str, Any] = {"params": [dual], "lr": 1 / (lr * squared_norm), "map": forward, "prox": project}
        super().__init__([first, second], {"modulus": modulus})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor | None] | None = None) -> Tensor | None:  # type: ignore[override]
        """Take one step; ``closure``, which none needs, may return the loss."""
        loss = None if closure is None else closure()
        first, second = self.param_groups
        (u,) = first["params"]
        (p,) = second["params"]
        modulus = first["modulus"]

        x = first["prox"](torch.sub(u, first["map"](p), alpha=first["lr"]), first["lr"])
        theta = 1 / math.sqrt(1 + 2 * modulus * first["lr"])
        first["lr"] *= theta
        second["lr"] /= theta
        y = torch.add(p, second["map"](torch.lerp(u, x, 1 + theta)), alpha=second["lr"])
        second["prox"](y)

        relaxation = 1.0 if modulus else RELAXATION
        for parameter, point in ((u, x), (p, y)):
            parameter.lerp_(point, relaxation)
            self.state[parameter]["point"] = point
        return loss

    @torch.no_grad()
    def restart(self, primal: Tensor, dual: Tensor) -> None:
        """Go on from another point, which is copied."""
        for group, point in zip(self.param_groups, (primal, dual), strict=True):
            group["params"][0].copy_(point)
