"""The optimizer alone, on least squares in two blocks, where everything is known."""

import pytest
import torch

from tvdenoise.solvers.optimizers import AlternatingDescent


def descent(steps):
    """Yield |A1 x1 + A2 x2 - f|^2 / 2 after each step, and the blocks."""
    generator = torch.Generator().manual_seed(0)
    a1, a2 = (torch.randn(30, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    a2 += 8 * a1  # blocks that are nearly in each other's way
    f = torch.randn(30, generator=generator, dtype=torch.float64)
    x1, x2 = torch.zeros(2, 8, dtype=torch.float64).unbind()
    told = []

    def minimize(x, a, other, b):
        x.copy_(torch.linalg.lstsq(a, f - b @ other).solution)

    optimizer = AlternatingDescent(
        [
            {"params": [x1], "minimize": lambda: minimize(x1, a1, x2, a2)},
            {"params": [x2], "minimize": lambda: minimize(x2, a2, x1, a1)},
        ]
    )
    for _ in range(steps):
        optimizer.step(lambda: told.append((x2.clone(), optimizer.state[x2]["previous"].clone())))
        yield 0.5 * float((a1 @ x1 + a2 @ x2 - f).square().sum()), x2.clone(), told[-1]
    best = torch.linalg.lstsq(torch.cat([a1, a2], 1), f).solution
    yield 0.5 * float((torch.cat([a1, a2], 1) @ best - f).square().sum()), a2 @ best[8:], None


def test_falls_at_the_accelerated_rate():
    """F(x_k) - F* <= 2 |A2 x2*|^2 / (k + 1)^2, from nothing; without extrapolation 8 times that is reached."""
    *steps, (least, moved, _) = descent(300)
    for k, (value, _, _) in enumerate(steps, 1):
        assert value - least <= 2 * float(moved.square().sum()) / (k + 1) ** 2
    assert steps[-1][0] == pytest.approx(least, rel=1e-4)


def test_the_closure_sees_the_second_block_extrapolated():
    *steps, _ = descent(5)
    blocks = [torch.zeros(8, dtype=torch.float64), *(x for _, x, _ in steps)]
    for k in range(2, 6):
        ahead, previous = steps[k - 1][2]
        assert torch.equal(previous, blocks[k - 1])
        assert torch.allclose(ahead, blocks[k - 1] + (k - 1) / (k + 2) * (blocks[k - 1] - blocks[k - 2]))


def test_two_blocks_are_asked_for():
    x = torch.zeros(1)
    for groups in ([{"params": [x], "minimize": print}], [{"params": [x], "minimize": print}, {"params": [x.clone()]}]):
        with pytest.raises(ValueError, match="two groups"):
            AlternatingDescent(groups)
    with pytest.raises(ValueError, match="two groups"):
        AlternatingDescent([{"params": [x.clone()], "minimize": print} for _ in range(3)])


def test_returns_the_loss():
    x, y = torch.zeros(2).unbind()
    optimizer = AlternatingDescent([{"params": [z], "minimize": lambda: None} for z in (x, y)])
    assert optimizer.step(lambda: torch.tensor(3.0)) == 3
