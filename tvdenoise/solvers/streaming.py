"""Pictures for which an accelerator has no room: they lie in memory and visit it band by band, some steps at a time."""

import dataclasses

import torch
from torch import Tensor

from tvdenoise.kernels import dispatch
from tvdenoise.machine.devices import is_out_of_memory
from tvdenoise.model.rof import Problem
from tvdenoise.solvers.ascents import REFRESH, MakeAscent, ascent_of
from tvdenoise.solvers.formulations import Dual

STEPS = REFRESH
"""Steps that a band takes on a visit: the more, the less is copied a step, and the more rows of others are needed."""

BAND_COPIES = 14
"""Copies of a band that its steps take there, and what is lost between them."""

MEMORY_SHARE = 0.8
"""Of the free memory there, what a band may take."""


def rows_within(f: Tensor, axes: int, device: torch.device) -> int:
    """Return how many rows (of a volume slices) of a picture a device has memory for, as far as can be told."""
    height = f.shape[-axes]
    try:
        free, _ = torch.accelerator.get_memory_info(device)
    except RuntimeError:  # not every kind tells
        return height
    return min(height, int(MEMORY_SHARE * free * height / (BAND_COPIES * f.nbytes)) - 4 * (STEPS + 1))


class Streamed(Dual):
    """:class:`Dual`, with its steps taken on ``problem.away``: they are those of a picture that is there as a whole.

    A band of rows goes there with as many rows of its neighbours on either side as its steps look at; the band itself
    comes back. When memory runs out there, bands become half as high; at last they stay at home.
    """

    def __init__(self, problem: Problem, start: Tensor | None = None, make_ascent: MakeAscent = ascent_of) -> None:
        assert problem.away is not None
        super().__init__(problem, start, make_ascent)
        self.device, self._axis, self._make_ascent = problem.away, -problem.axes, make_ascent
        self._height = problem.f.shape[self._axis]
        self._rows = rows_within(problem.f, problem.axes, self.device)

    def advance(self, steps: int) -> None:
        """Take some steps."""
        for taken in range(0, steps, STEPS):
            if self.device == self.problem.f.device:
                super().advance(steps - taken)
                return
            self._sweep(min(STEPS, steps - taken))

    @property
    def _fields(self) -> tuple[Tensor, Tensor]:
        return self.ascent.parameter, self.ascent.previous

    def _halo(self, steps: int) -> int:
        return self.ascent.reach * (steps + 1)

    def _sweep(self, steps: int) -> None:
        """Take steps that fit one visit."""
        top, above = 0, [self._part(field, 0, 0) for field in self._fields]
        while top < self._height:
            rows = max(self._rows, self._halo(steps))
            rows -= rows % self.ascent.reach  # a band begins where a square of the whole picture may
            bottom = min(top + rows, self._height)
            try:
                above = self._visit(top, bottom, above, steps)
                top = bottom
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.device == self.problem.f.device:
                    raise
                if rows > self._halo(steps):
                    self._rows = max((bottom - top) // 2, self._halo(steps))
                    dispatch.remark(f"{self.device} takes {self._rows} rows at a time: it has no memory for more")
                else:
                    dispatch.remark(f"{self.device} has no memory for {rows} rows: the CPU goes on")
                    self.device = self.problem.f.device
        self.ascent.step += steps

    def _visit(self, top: int, bottom: int, above: list[Tensor], steps: int) -> list[Tensor]:
        """Move some rows on, and return what the last of the fields were before, which the rows below need.

        ``above`` is the same of the rows above these.
        """
        halo, first = self._halo(steps), top - above[0].shape[self._axis]
        last = min(bottom + halo, self._height)
        f, average = (self._there(self._part(t, first, last)) for t in (self.problem.f, self.average))
        pairs = list(zip(above, self._fields, strict=True))
        p, previous = (self._there(rows, self._part(field, top, last)) for rows, field in pairs)
        below = [
            torch.cat([rows, self._part(field, max(top, bottom - halo), bottom)], self._axis) for rows, field in pairs
        ]
        ascent = self._make_ascent(dataclasses.replace(self.problem, f=f, away=None), p)
        ascent.previous, ascent.step, ascent.average = previous, self.ascent.step, average
        ascent.advance(steps)
        moved = (ascent.parameter, ascent.previous, average)
        for home, there in zip((*self._fields, self.average), moved, strict=True):
            self._copy(self._part(there, top - first, bottom - first), self._part(home, top, bottom))
        return [self._part(rows, max(0, rows.shape[self._axis] - halo), rows.shape[self._axis]) for rows in below]

    def _there(self, *parts: Tensor) -> Tensor:
        """Return parts that lie one below the other as one tensor on the device."""
        shape = list(parts[0].shape)
        shape[self._axis] = sum(part.shape[self._axis] for part in parts)
        whole, top = parts[0].new_empty(shape, device=self.device), 0
        for part in parts:
            bottom = top + part.shape[self._axis]
            self._copy(part, self._part(whole, top, bottom))
            top = bottom
        return whole

    def _copy(self, source: Tensor, target: Tensor) -> None:
        """Copy plane by plane, which needs no memory between devices."""
        for from_plane, to_plane in zip(*(t.flatten(0, self._axis - 1) for t in (source, target)), strict=True):
            to_plane.copy_(from_plane)

    def _part(self, t: Tensor, top: int, bottom: int) -> Tensor:
        return t.narrow(self._axis, top, bottom - top)
