"""Fixtures that the tests share."""

import numpy as np
import pytest
from problems import KINDS


@pytest.fixture(params=KINDS)
def tv(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def noisy() -> np.ndarray:
    """A gray uint8 picture of 40 x 48: a disc on a ramp, with noise."""
    y, x = np.mgrid[:40, :48]
    clean = 0.2 + 0.4 * x / 48 + 0.3 * ((x - 20) ** 2 + (y - 20) ** 2 < 120)
    noise = np.random.default_rng(0).normal(0, 0.08, clean.shape)
    return np.rint(np.clip(clean + noise, 0, 1) * 255).astype(np.uint8)
