import numpy as np
import pytest

from tvdenoise.arrays import intensity
from tvdenoise.errors import ArrayError


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_integers_come_back_bit_by_bit(dtype):
    limits = np.iinfo(dtype)
    values = np.unique(np.linspace(limits.min, limits.max, 100_003).astype(dtype))
    scale = intensity.measure_range(values)
    assert scale == (0, limits.max)
    unit = intensity.scale_to_unit(values, scale)
    assert unit.max() == 1
    assert np.array_equal(intensity.scale_from_unit(unit, scale, dtype), values)


def test_integers_are_rounded_and_clipped():
    unit = np.array([-0.5, 0.4 / 255, 0.6 / 255, 1.5])
    assert intensity.scale_from_unit(unit, (0, 255), np.uint8).tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0], (0, 1)),
        ([0.2, 0.3], (0, 1)),
        ([-0.4, 1.4], (0, 1)),
        ([-1.0, 2.0], (0, 1)),
        ([0.0, 2.5], (0, 2.5)),
        ([-1024.0, 3071.0], (-1024, 3071)),
        ([700.0, 700.0], (700, 701)),
        ([1e20, 1e20], (1e20, 1e20 + 1e11)),
        ([0.5, 0.504], (0, 1)),
        ([0.5, 0.503], (0.5, 0.503)),
        ([1e-17, 3e-17], (1e-17, 3e-17)),
        ([0.3, 0.3], (0, 1)),
        ([0.0, 1e-300], (0, 1)),
    ],
)
def test_range_of_floats(values, expected):
    assert intensity.measure_range(np.array(values)) == expected


def test_floats_are_scaled_and_never_clipped():
    values = np.array([-1000.0, 0.0, 3000.0])
    unit = intensity.scale_to_unit(values, (-1000, 3000))
    assert unit.tolist() == [0, 0.25, 1]
    assert intensity.scale_from_unit(unit * 1.5, (-1000, 3000), np.float64).tolist() == [-1000, 500, 5000]


@pytest.mark.parametrize(
    ("dtype", "working"),
    [(np.uint8, "f4"), (np.uint16, "f4"), (np.uint32, "f8"), ("<f2", "f4"), (">f4", "f4"), ("f8", "f8"), (">i4", "f8")],
)
def test_working_type_holds_every_value(dtype, working):
    assert intensity.scale_to_unit(np.zeros(3, dtype), intensity.type_range(dtype)).dtype == working


def test_scaling_leaves_its_input_alone():
    values = np.array([0.0, 5.0])
    intensity.scale_to_unit(values, (0, 5))
    assert values.tolist() == [0, 5]


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint64", "complex64", "O", "S3", "datetime64[s]", "f16"])
def test_types_without_a_range_are_refused(dtype):
    with pytest.raises(ArrayError, match=r"x\.npy: values of type .* have no intensity range; convert it"):
        intensity.check_type("x.npy", np.dtype(dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_range_far_from_the_values_loses_none_of_them(dtype):
    values = np.arange(100).astype(dtype)
    scale = (1e8, 1e8 + 255)
    unit = intensity.scale_to_unit(values, scale).astype(np.float64)
    assert unit == pytest.approx((values - 1e8) / 255, rel=1e-7)
    assert np.diff(intensity.scale_from_unit(np.float64([0.2, 0.2 + 1 / 255]), scale, np.uint32)) == 1
