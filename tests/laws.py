"""Laws that any operator is held to."""

import torch
from torch import Tensor

from tvdenoise.model.operators import Operator


def check_adjointness(operator: Operator, u: Tensor, p: Tensor) -> None:
    """<A u, p> = <u, A^T p>."""
    torch.testing.assert_close((operator.forward(u) * p).sum(), (u * operator.adjoint(p)).sum())


def check_norm_bound(operator: Operator, u: Tensor) -> None:
    """The largest eigenvalue of A^T A, by power iteration from ``u``, is below the bound, and not far."""
    for _ in range(300):
        u = u / u.norm()
        u = operator.adjoint(operator.forward(u))
    largest = float(u.norm())
    assert 0.9 * operator.squared_norm_bound < largest <= operator.squared_norm_bound * (1 + 1e-12)
