"""Pictures of one size and one model whose steps are taken together: one small picture leaves an accelerator idle.

They lie side by side in a tensor (C, N, H, W), or (C, N, D, H, W), which every step takes for one picture: no vector
and no difference reaches from one to another. Each is certified for itself, as if it had been solved alone.
"""

import dataclasses
from collections.abc import Collection, Hashable, Sequence

import torch
from torch import Tensor

from tvdenoise.model import operators
from tvdenoise.model.rof import Certificate, Problem
from tvdenoise.solvers.ascents import MakeAscent
from tvdenoise.solvers.coarse import is_worthwhile, start_from_half
from tvdenoise.solvers.formulations import ball_centre


def stacking_key(problem: Problem) -> tuple[Hashable, ...]:
    """Return what is the same for problems that can be solved together: all but what ``f`` shows, and how to begin."""
    f = problem.f
    model = (getattr(problem, field.name) for field in dataclasses.fields(problem) if field.name != "f")
    return (*model, f.shape, f.dtype, f.device, is_worthwhile(problem))


class Stack:
    """The fields of problems of one :func:`stacking_key`, on their way up together."""

    def __init__(self, problems: Sequence[Problem], make_ascent: MakeAscent) -> None:
        self.device = problems[0].f.device
        self._problems = problems
        self._make_ascent = make_ascent
        self._numbers = list(range(len(problems)))
        joint = self._joint()
        self._ascent = make_ascent(joint, start_from_half(joint) if is_worthwhile(problems[0]) else None)
        self._ascent.average = operators.contiguous_copy(joint.f)

    def _joint(self) -> Problem:
        """Return what is still to be solved as one problem."""
        problems = [self._problems[number] for number in self._numbers]
        return dataclasses.replace(problems[0], f=torch.stack([problem.f for problem in problems], 1))

    def advance(self, steps: int) -> None:
        """Take some steps."""
        self._ascent.advance(steps)

    def keep(self, numbers: Collection[int]) -> None:
        """Let go of all problems but some, once those are half of what is there or fewer."""
        if 2 * len(numbers) > len(self._numbers):
            return
        places = torch.tensor([self._numbers.index(number) for number in numbers], device=self.device)
        self._numbers = list(numbers)
        before, average = self._ascent, self._ascent.average
        assert average is not None
        self._ascent = self._make_ascent(self._joint(), before.parameter.index_select(2, places))
        self._ascent.previous = before.previous.index_select(2, places)
        self._ascent.average = average.index_select(1, places)
        self._ascent.step = before.step

    def part(self, number: int) -> tuple[Tensor, Tensor]:
        """Return a problem's own field and average."""
        place, average = self._numbers.index(number), self._ascent.average
        assert average is not None
        return self._ascent.parameter[:, :, place].contiguous(), average[:, place].contiguous()

    def candidate(self, number: int) -> tuple[Tensor, Certificate]:
        """Return a problem's present answer and its certificate."""
        problem = self._problems[number]
        return ball_centre(problem, *self.part(number), torch.empty_like(problem.f))
