"""Optimizers of our own, each a ``torch.optim.Optimizer``; they know nothing of pictures or total variation."""

from tvdenoise.optimizers.alternating import AlternatingDescent
from tvdenoise.optimizers.fista import FISTA

__all__ = ["FISTA", "AlternatingDescent"]
