"""Pictures for which an accelerator has no room: they lie in memory and visit it band by band, some steps at a time."""

import dataclasses

import torch
from torch import Tensor

from tvdenoise import engine
from tvdenoise.formulations import Ascent, Dual
from tvdenoise.rof import Problem

STEPS = 32
"""Steps that a band takes on a visit: the more, the less is copied a step, and the more rows of others are needed."""

COPIES = 14
"""Copies of a band that its steps take there, and what is lost between them."""

SHARE = 0.8
"""Of the free memory there, what a band may take."""


def rows_within(f: Tensor, axes: int, device: torch.device) -> int:
    """Return how many rows (of a volume slices) of a picture a device has memory for, as far as can be told."""
    height = f.shape[-axes]
    try:
        free, _ = torch.accelerator.get_memory_info(device)
    except RuntimeError:  # not every kind tells
        return height
    return min(height, int(SHARE * free * height / (COPIES * f.nbytes)))


class Streamed(Dual):
    """:class:`Dual`, with its steps taken on ``problem.away``: the same numbers as if all of the picture were there.

    A band of rows goes there with as many rows of its neighbours on either side as steps are taken, and one more; the
    band itself comes back. When memory runs out there, bands become half as high; at last they stay at home.
    """

    def __init__(self, problem: Problem, start: Tensor | None = None, rate: float | None = None) -> None:
        assert problem.away is not None
        super().__init__(problem, start, rate)
        self._away, self._axis = problem.away, -problem.axes
        self._height = problem.f.shape[self._axis]
        self._rows = rows_within(problem.f, problem.axes, self._away)

    def advance(self, steps: int) -> None:
        """Take some steps."""
        for taken in range(0, steps, STEPS):
            self._sweep(min(STEPS, steps - taken))

    def _sweep(self, steps: int) -> None:
        """Take steps that fit one visit."""
        top, above = 0, [self._part(field, 0, 0) for field in self.fields]
        while top < self._height:
            rows = max(self._rows, steps + 1)
            bottom = min(top + rows, self._height)
            try:
                above = self._visit(top, bottom, above, steps)
                top = bottom
            except torch.OutOfMemoryError:
                if rows > steps + 1:
                    self._rows = (bottom - top) // 2
                    engine.remark(f"{self._away} takes {self._rows} rows at a time: it has no memory for more")
                else:
                    engine.remark(f"{self._away} has no memory for {rows} rows: the CPU goes on")
                    self._away, self._rows = self.problem.f.device, self._height
        self._optimizer.state[self.parameter]["step"] += steps

    def _visit(self, top: int, bottom: int, above: list[Tensor], steps: int) -> list[Tensor]:
        """Move some rows on, and return what the last of the fields were before, which the rows below need.

        ``above`` is the same of the rows above these.
        """
        first, last = top - above[0].shape[self._axis], min(bottom + steps + 1, self._height)
        before = [
            torch.cat([rows, self._part(field, top, last)], self._axis)
            for rows, field in zip(above, self.fields, strict=True)
        ]
        f, average = (self._part(t, first, last).contiguous() for t in (self.problem.f, self._average))
        f, average, p, previous = (t.to(self._away, copy=True) for t in (f, average, *before))
        ascent = Ascent(dataclasses.replace(self.problem, f=f, away=None), p, self._optimizer.param_groups[0]["lr"])
        ascent.resume(previous, self._optimizer.state[self.parameter]["step"], average)
        ascent.advance(steps)
        for home, moved in zip((*self.fields, self._average), (*ascent.fields, average), strict=True):
            self._part(home, top, bottom).copy_(self._part(moved, top - first, bottom - first))
        return [self._part(rows, max(0, bottom - first - steps - 1), bottom - first) for rows in before]

    def _part(self, t: Tensor, top: int, bottom: int) -> Tensor:
        return t.narrow(self._axis, top, bottom - top)
