"""Which engine runs the inner loops: torch's operations, numba's compiled code for CPUs, Triton's for graphics cards.

On a CPU the pictures are the same bit by bit. Loading numba takes as long as denoising a small picture, so torch
computes until it has done as much work. Work is counted in values, not seconds: the same on every machine.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor

from tvdenoise.errors import reason
from tvdenoise.kernels.state import State
from tvdenoise.machine.devices import is_out_of_memory
from tvdenoise.machine.remarks import remark
from tvdenoise.machine.signals import ENDING, defer_signals
from tvdenoise.options.kinds import Group, TVKind

Engine = Literal["torch", "numba", "triton"]
Load = Callable[..., ModuleType]

# Values that torch moves by a step, at 2 ns each, in the 0.5 s that loading takes once a machine has compiled.
LOADING_WORK = 250_000_000
# Values in whose time torch begins the operations of a step, however small the picture.
STEP_OVERHEAD = 25_000
# Steps of FISTA from start to end; alternating descent takes about as long.
STEPS_OF_SOLVE = 150
# Steps that take torch as long as a certificate: measured 3 to 7, from 16x16 to 1024x1024.
STEPS_OF_CERTIFICATE = 5
# Planes in a vector beyond which a tile on a card would hardly be more than its halo.
MOST_PLANES = 8

_work_done = 0
_used: ContextVar[Engine | None] = ContextVar("engine", default=None)


@contextmanager
def use(engine: Engine) -> Iterator[None]:
    """Let an engine run all inner loops of a block that it is able to run, and fail where it does not work.

    ``"triton"`` computes on CPUs too, in its interpreter, where ``TRITON_INTERPRET=1`` is set.
    """
    token = _used.set(engine)
    try:
        yield
    finally:
        _used.reset(token)


def _compute_alone() -> None:
    """Let a process that was forked from one that has denoised use one thread: threads do not outlive a fork."""
    if _work_done:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not every system forks
    os.register_at_fork(after_in_child=_compute_alone)


def count_steps(f: Tensor, steps: int) -> None:
    """Add steps that torch has taken for a picture to the work it has done on the CPU."""
    global _work_done
    if f.device.type == "cpu":
        _work_done += _work(f, steps)


def _work(f: Tensor, steps: int) -> int:
    return steps * (f.numel() + STEP_OVERHEAD)


def choose_engine(f: Tensor, *others: Tensor, axes: int = 2, planes: int = 1) -> Engine:
    """Return the engine for the steps of a picture and other tensors, whose vectors have ``planes`` planes."""
    if f.dtype not in (torch.float32, torch.float64):
        return "torch"
    for t in (f, *others):
        is_alike = t.dtype == f.dtype and t.device == f.device
        if not (is_alike and t.is_contiguous()):
            return "torch"
    engine = _used.get() or _fastest_engine(f)
    if engine == "triton" and (planes > MOST_PLANES or axes > 2):
        return "torch"
    if engine == "numba" and f.device.type != "cpu":
        return "torch"
    return engine


def _fastest_engine(f: Tensor) -> Engine:
    global _work_done
    if f.device.type == "cuda":
        return "triton"
    work = _work_done + _work(f, STEPS_OF_SOLVE)
    if f.device.type == "cpu" and work >= LOADING_WORK:
        _work_done = LOADING_WORK  # it is loaded now, and pays for the smallest picture too
        return "numba"
    return "torch"


def kernels(f: Tensor, *others: Tensor, tv: TVKind, axes: int = 2, planes: int = 1) -> ModuleType | None:
    """Return :mod:`tvdenoise.kernels.cpu`, :mod:`tvdenoise.kernels.gpu` or None: :func:`choose_engine` decides."""
    engine = choose_engine(f, *others, axes=axes, planes=planes)
    if engine == "torch":
        return None
    find = find_module if _used.get() is None else load_module
    return find(engine, f.device, f.dtype, tv, planes)


def load() -> None:
    """Load now what most pictures need, instead of when it pays."""
    global _work_done
    _work_done += LOADING_WORK
    find_module("numba", torch.device("cpu"), torch.float32, "anisotropic", 1)


@cache
def load_module(engine: Engine, device: torch.device, dtype: torch.dtype, tv: TVKind, planes: int) -> ModuleType:
    """Import an engine's kernels and run each once on a tiny picture, so that large ones find them compiled."""
    module: ModuleType
    with defer_signals(*ENDING):  # signals, which compilers, called back from C, would swallow
        if engine == "triton":
            from tvdenoise.kernels import gpu as module
        else:
            from tvdenoise.kernels import cpu as module
        f = torch.zeros(planes, 2, 2, device=device, dtype=dtype)
        p = torch.zeros(2, planes, 2, 2, device=device, dtype=dtype)
        group = [Group(0, 1, planes, 1.0)]
        for average in (None, f.clone()):
            state = State(f, p, p.clone(), average, group)
            module.ascend(state, tv, 0.1, range(1, 2))
            if tv == "anisotropic" and planes == 1:
                module.alternate(state, range(1, 3), 2, f.clone())
        if module.CERTIFIES:
            module.centre(f, p, f, f.clone(), 1.0)
            module.sums(f, f, p, f, group, tv)
    return module


@cache
def find_module(
    engine: Engine, device: torch.device, dtype: torch.dtype, tv: TVKind, planes: int, load: Load = load_module
) -> ModuleType | None:
    """Return an engine's kernels; where they do not work, remark on it and return None from then on."""
    try:
        return load(engine, device, dtype, tv, planes)
    except Exception as error:
        if is_out_of_memory(error):  # another time there may be enough
            raise
        remedy = ""
        if "no locator" in str(error):  # numba found no folder to keep compiled code in
            remedy = "; let NUMBA_CACHE_DIR be a folder that may be written to"
        remark(f"computed by torch alone, which takes several times as long: {reason(error)[:200]}{remedy}")
        return None
