"""Optimizers of our own, each a ``torch.optim.Optimizer``; they know nothing of pictures or total variation."""

from tvdenoise.solvers.optimizers.alternating import AlternatingDescent
from tvdenoise.solvers.optimizers.fista import FISTA
from tvdenoise.solvers.optimizers.pdhg import PDHG

__all__ = ["FISTA", "PDHG", "AlternatingDescent"]
