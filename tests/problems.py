"""Pictures and fields that the tests share."""

import subprocess

import torch
from torch import Tensor

from tvdenoise.model.problem import Problem

KINDS = ["anisotropic", "isotropic"]
SHAPES = [(1, 7, 9), (3, 8, 5), (1, 1, 6), (2, 6, 1), (1, 1, 1), (1, 40, 2)]


def picture(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """A step with noise: flat parts, an edge, and ties broken."""
    generator = torch.Generator().manual_seed(seed)
    f = torch.randn(shape, generator=generator, dtype=torch.float64) * 0.1 + 0.3
    f[..., shape[-1] // 2 :] += 0.4
    return f.to(dtype)


def field(problem: Problem, seed: int = 0, scale: float = 1.0) -> Tensor:
    """A random field, feasible or not."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn((problem.axes, *problem.f.shape), generator=generator, dtype=torch.float64)


def rest_of(process: subprocess.Popen) -> tuple[str, str]:
    """What a process still says until it ends; ``communicate`` loses what ``readline`` has read ahead."""
    with process:
        return process.stdout.read(), process.stderr.read()
