import pytest
import torch

from tvdenoise.solvers.optimizers import FISTA


def quadratic(n: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """An ill-conditioned least-squares problem over the unit box, min 1/2 |A x - b|^2."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(n, n, generator=generator, dtype=torch.float64) * torch.logspace(0, -3, n, dtype=torch.float64)
    return a, torch.randn(n, generator=generator, dtype=torch.float64)


def run(a, b, steps, *, sign=1.0, start=None):
    """Yield the loss and the iterate after each step of FISTA on the quadratic, minimised or with its sign turned."""
    x = torch.zeros_like(b) if start is None else start.clone()
    lr = 1 / float(torch.linalg.matrix_norm(a, 2)) ** 2
    optimizer = FISTA([x], lr, lambda p: p.clamp_(-1, 1), maximize=sign < 0)

    def closure():
        residual = a @ x - b
        x.grad = sign * (a.T @ residual)
        return sign * 0.5 * residual.square().sum()

    for _ in range(steps):
        optimizer.step(closure)
        yield 0.5 * float((a @ x - b).square().sum()), x.clone()


@pytest.fixture(scope="module")
def solved():
    """The optimal loss and the minimiser."""
    *_, last = run(*quadratic(), 20_000)
    return last


def test_meets_its_rate(solved):
    a, b = quadratic()
    best, answer = solved
    lipschitz = float(torch.linalg.matrix_norm(a, 2)) ** 2
    for k, (loss, _) in enumerate(run(a, b, 500), 1):
        assert loss - best <= 2 * lipschitz * float(answer.square().sum()) / (k + 1) ** 2 + 1e-12


def test_needs_its_momentum(solved):
    """Without extrapolation the same problem is far from solved where FISTA is done."""
    a, b = quadratic()
    best, _ = solved
    *_, (fast, _) = run(a, b, 500)
    lr, x = 1 / float(torch.linalg.matrix_norm(a, 2)) ** 2, torch.zeros_like(b)
    for _ in range(500):
        x = (x - lr * a.T @ (a @ x - b)).clamp(-1, 1)
    slow = 0.5 * float((a @ x - b).square().sum())
    assert fast - best < 0.2 * (slow - best)


def test_iterates_are_those_of_the_formula():
    """The in-place step against its obvious twin, in lockstep."""
    a, b = quadratic()
    lr = 1 / float(torch.linalg.matrix_norm(a, 2)) ** 2
    previous = current = torch.zeros_like(b)
    for k, (_, x) in enumerate(run(a, b, 50), 1):
        r = current + (k - 1) / (k + 2) * (current - previous)
        previous, current = current, (r - lr * a.T @ (a @ r - b)).clamp(-1, 1)
        torch.testing.assert_close(x, current)


def test_maximize_is_minimising_the_negative():
    a, b = quadratic()
    for (_, x), (_, y) in zip(run(a, b, 20), run(a, b, 20, sign=-1.0), strict=True):
        assert torch.equal(x, y)


def test_parameters_of_several_groups_move_as_if_alone():
    a, b = quadratic()
    lr = 1 / float(torch.linalg.matrix_norm(a, 2)) ** 2
    x, y = torch.zeros_like(b), torch.zeros_like(b)
    optimizer = FISTA([{"params": [x]}], lr / 2, lambda p: p.clamp_(-1, 1))
    optimizer.add_param_group({"params": [y], "lr": lr})

    def closure():
        for parameter in (x, y):
            parameter.grad = a.T @ (a @ parameter - b)

    for _, alone in run(a, b, 10):
        optimizer.step(closure)
        assert torch.equal(y, alone)
    assert not torch.equal(x, y)


def test_step_returns_the_loss_of_the_closure():
    x = torch.ones(3)

    def closure():
        x.grad = x.clone()
        return x.square().sum()

    assert FISTA([x], 0.1, lambda p: p).step(closure) == 3


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan")])
def test_impossible_rates_are_refused(lr):
    with pytest.raises(ValueError, match=f"lr must be more than 0, not {lr}"):
        FISTA([torch.zeros(1)], lr, lambda p: p)
