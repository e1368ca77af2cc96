"""The primal-dual formulation: an optimizer moves the picture and the field together, for any data term."""

import torch
from torch import Tensor

from tvdenoise.kernels import dispatch
from tvdenoise.model import operators
from tvdenoise.model.certificate import Certificate, certify
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.optimizers import PDHG

# Steps after which the mean of the points is tried, and those in which it is taken.
ROUND = 40
WINDOW = 80

# The first step size, times lambda over the picture's standard deviation: found by trial on salt and pepper and on
# counts, for lambdas from 0.1 to 1.2.
STEP = 0.06

LEAST_STEP = 1e-12

# A lambda that leaves hardly anything: the field does not grow with larger ones.
LARGE_WEIGHT = 4.0

# The modulus from which on acceleration takes fewer steps than relaxation: that of counts is far smaller.
LEAST_MODULUS = 0.5


class PrimalDual:
    """Find the saddle point of F(u) + <D u, p> over pictures u and feasible fields p.

    The candidate is the last point, or the mean of the last ones where that is proven to be better; in rounds the
    method starts again from such a mean.
    """

    returns_last = False

    def __init__(self, problem: Problem, rate: float | None = None) -> None:
        self.problem = problem
        difference = problem.difference
        zero = torch.zeros_like(problem.f)
        picture = torch.empty_like(problem.f)
        field = operators.new_field(problem.f, problem.axes)
        modulus = problem.data_term.modulus
        self._optimizer = PDHG(
            problem.f.clone(),
            operators.new_field(problem.f, problem.axes),
            forward=lambda u: difference.forward_into(u, field),
            adjoint=lambda p: difference.subtract_adjoint(zero, p, picture).neg_(),
            prox=problem.data_term.prox,
            project=problem.project,
            squared_norm=difference.squared_norm_bound,
            lr=rate or _choose_step_size(problem),
            modulus=modulus if modulus >= LEAST_MODULUS else 0.0,
        )
        self._point = [group["params"][0].clone() for group in self._optimizer.param_groups]
        self._mean = [t.clone() for t in self._point]
        self._count = 0  # of the points in the mean
        self._step = 0

    def advance(self, steps: int) -> None:
        """Take some steps."""
        for _ in range(steps):
            self._optimizer.step()
            self._step += 1
            self._point = [state["point"] for state in self._optimizer.state.values()]
            self._count += 1
            for mean, point in zip(self._mean, self._point, strict=True):
                mean.lerp_(point, 1 / self._count)
            if self._step % ROUND == 0:
                self._restart_if_better()
        dispatch.count_steps(self.problem.f, steps)

    def _restart_if_better(self) -> None:
        """Start again from the mean where it is better than the last point, and begin a new one now and then."""
        if self._certify(self._mean).is_better_than(self._certify(self._point)):
            self._optimizer.restart(*self._mean)
            self._point = [t.clone() for t in self._mean]
            self._count = 0
        elif self._count >= WINDOW:
            self._count = 0

    def candidate(self) -> tuple[Tensor, Certificate]:
        """Return the better of the last picture and the mean, and its certificate."""
        last = self._certify(self._point)
        if self._count == 0:
            return self._point[0], last
        mean = self._certify(self._mean)
        if mean.is_better_than(last):
            return self._mean[0], mean
        return self._point[0], last

    def judge(self, u: Tensor) -> Certificate:
        """Certify any picture by the better of the last field and the mean."""
        fields = [self._point[1]]
        if self._count:
            fields.append(self._mean[1])
        first, *others = [certify(self.problem, u, p) for p in fields]
        for other in others:
            if other.is_better_than(first):
                first = other
        return first

    def _certify(self, point: list[Tensor]) -> Certificate:
        return certify(self.problem, *point)


def _choose_step_size(problem: Problem) -> float:
    r"""Return about the distance that the picture has to go over that of the field, over :math:`\|D\|`."""
    if problem.weight == 0:
        return 1.0
    step = STEP * problem.spread / min(problem.weight, LARGE_WEIGHT)
    return min(max(step, LEAST_STEP), 1 / LEAST_STEP)  # a number in any case, and its inverse too
