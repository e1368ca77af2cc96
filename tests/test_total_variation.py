import pytest
import torch
from torch import nn

from tvdenoise import TotalVariation


@pytest.mark.parametrize("shape", [(5, 5), (1, 5, 5)])
def test_known_value_is_a_scalar(shape):
    value = TotalVariation()(torch.arange(0, 2.5, 0.1).reshape(shape))
    assert value.shape == ()
    torch.testing.assert_close(value, torch.tensor(12.0))


def test_known_values_of_a_batch():
    batch = torch.arange(0, 10, 0.1).reshape(4, 1, 5, 5)
    torch.testing.assert_close(TotalVariation()(batch), torch.full((4,), 12.0))
    torch.testing.assert_close(TotalVariation(is_mean_reduction=True)(batch), torch.full((4,), 0.6))


def test_one_item_backpropagates_into_itself_alone():
    batch = torch.arange(0, 10, 0.1).reshape(4, 1, 5, 5).requires_grad_()
    TotalVariation()(batch)[0].backward()
    assert batch.grad[0].abs().sum() > 0
    assert batch.grad[1:].abs().sum() == 0


def test_composes_with_another_loss():
    mean = TotalVariation(is_mean_reduction=True)
    a = torch.arange(0, 10, 0.1).reshape(4, 1, 5, 5).requires_grad_()
    b = torch.arange(0, 20, 0.2).reshape(4, 1, 5, 5)
    loss = nn.L1Loss()(mean(a), mean(b))
    torch.testing.assert_close(loss, torch.tensor(0.6))
    loss.backward()
    assert a.grad.abs().sum() > 0


@pytest.mark.parametrize("arguments", [{}, {"is_mean_reduction": True}, {"tv": "isotropic"}])
def test_of_half_floats_is_more_than_they_hold(arguments):
    u, loss = torch.rand(512, 512, generator=torch.Generator().manual_seed(0)), TotalVariation(**arguments)
    half = u.half().requires_grad_()
    value = loss(half)
    value.backward()
    assert value.item() == pytest.approx(float(loss(u)), rel=1e-4)
    assert half.grad.dtype == torch.float16


def test_isotropic_is_the_length_of_the_differences():
    corner = torch.tensor([[0.0, 3.0], [4.0, 0.0]])
    # The pixel (0, 0) has differences 4 down and 3 right, (0, 1) has 3 down, (1, 0) has 4 right.
    torch.testing.assert_close(TotalVariation(tv="isotropic")(corner), torch.tensor(12.0))


@pytest.mark.parametrize(("axes", "shape"), [(2, (3, 2, 4, 5)), (3, (3, 2, 6, 4, 5))])
@pytest.mark.parametrize("tv", ["anisotropic", "isotropic"])
def test_channels_and_items_add_up(tv, axes, shape):
    u, loss = torch.rand(shape, dtype=torch.float64), TotalVariation(tv=tv, axes=axes)
    torch.testing.assert_close(loss(u), torch.stack([sum(loss(channel) for channel in item) for item in u]))


def test_a_volume_has_differences_between_its_slices():
    """One voxel of height 1 in the corner, and one in the middle of a volume."""
    corner, middle = torch.zeros(2, 3, 3, 3, dtype=torch.float64)
    corner[-1, -1, -1] = middle[1, 1, 1] = 1
    assert [float(TotalVariation(axes=3)(u)) for u in (corner, middle)] == [3, 6]
    isotropic = TotalVariation(tv="isotropic", axes=3)
    assert float(isotropic(middle)) == pytest.approx(3**0.5 + 3)
    u = torch.rand(4, 5, 6, dtype=torch.float64)
    slices = TotalVariation(tv="anisotropic")(u)
    torch.testing.assert_close(TotalVariation(axes=3)(u), slices + u.diff(dim=0).abs().sum())
    assert torch.autograd.gradcheck(isotropic, u.requires_grad_())
    mean = TotalVariation(axes=3, is_mean_reduction=True)(u)
    torch.testing.assert_close(mean, sum(u.diff(dim=axis).abs().mean() for axis in range(3)))


def test_slices_further_apart_differ_by_less_a_width():
    middle = torch.zeros(3, 3, 3, dtype=torch.float64)
    middle[1, 1, 1] = 1
    assert float(TotalVariation(axes=3, spacing=2)(middle)) == 4 + 2 / 2
    assert float(TotalVariation(tv="isotropic", axes=3, spacing=2)(middle)) == pytest.approx(2.25**0.5 + 2 + 1 / 2)
    assert float(TotalVariation(axes=3, spacing=2, is_mean_reduction=True)(middle)) == pytest.approx(5 / 18)
    assert float(TotalVariation(axes=3, spacing=(2.0, 4.0, 0.5))(middle)) == 2 / 2 + 2 / 4 + 2 / 0.5
    assert float(TotalVariation(spacing=(4.0, 1.0))(middle[1])) == 2 / 4 + 2


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (1, 1), (2, 1, 6), (2, 3, 6, 1)])
@pytest.mark.parametrize("arguments", [{}, {"is_mean_reduction": True}, {"tv": "isotropic"}, {"smoothing": 0.1}])
def test_one_pixel_wide_axes_contribute_nothing(shape, arguments):
    u = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    value = TotalVariation(**arguments)(u)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(u.grad).all()
    if arguments == {"is_mean_reduction": True} and shape == (1, 6):
        torch.testing.assert_close(value, u.diff().abs().mean())


@pytest.mark.parametrize("shape", [(5,), (), (1, 1, 1, 5, 5)])
def test_other_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match=rf"2-, 3- or 4-dimensional.*not {len(shape)}-dimensional"):
        TotalVariation()(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"3-, 4- or 5-dimensional.*not 2-dimensional"):
        TotalVariation(axes=3)(torch.zeros(5, 5))


def test_integers_are_refused_because_their_differences_wrap():
    with pytest.raises(TypeError, match=r"floating-point numbers, not torch\.uint8"):
        TotalVariation()(torch.zeros(4, 4, dtype=torch.uint8))
    with pytest.raises(TypeError, match="a torch tensor is asked for, not a list"):
        TotalVariation()([[0.0, 1.0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tv": "isotropc"}, "'isotropc'"),
        ({"tv": "isotropic", "is_mean_reduction": True}, "needs tv='anisotropic'"),
        ({"smoothing": -1.0}, "0 or more, and finite, not -1.0"),
        ({"smoothing": float("nan")}, "0 or more, and finite, not nan"),
        ({"smoothing": float("inf")}, "0 or more, and finite, not inf"),
        ({"axes": 1}, r"2 \(pictures\) or 3 \(volumes\), not 1"),
        ({"axes": 3, "spacing": 0}, "above 0, or a tuple of 3, not 0"),
        ({"spacing": (1.0, 0.0)}, r"above 0, or a tuple of 2, not \(1.0, 0.0\)"),
        ({"axes": 3, "spacing": (1.0, 2.0)}, "a tuple of 3, not"),
        ({"spacing": 2}, "1 without axes=3, not 2"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TotalVariation(**arguments)


@pytest.mark.parametrize("dtype", [torch.float8_e5m2, torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("tv", ["anisotropic", "isotropic"])
def test_types_keep_the_precision_of_float32_or_their_own(dtype, tv):
    u = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0)).to(dtype)
    value = TotalVariation(tv=tv)(u)
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    exact = TotalVariation(tv=tv)(u.double())
    torch.testing.assert_close(value.double(), exact, rtol=4 * torch.finfo(value.dtype).eps, atol=0)


@pytest.mark.parametrize("arguments", [{}, {"is_mean_reduction": True}, {"tv": "isotropic"}, {"smoothing": 0.05}])
def test_views_give_what_their_copies_give(arguments):
    big = torch.rand(2, 3, 9, 10, dtype=torch.float64)
    for view in (big[..., ::2, 1::3], big.transpose(-1, -2), big.flip(-1)[:, 1:]):
        torch.testing.assert_close(TotalVariation(**arguments)(view), TotalVariation(**arguments)(view.contiguous()))


@pytest.mark.parametrize("arguments", [{}, {"is_mean_reduction": True}, {"tv": "isotropic"}, {"smoothing": 0.5}])
def test_gradient_away_from_ties(arguments):
    u = torch.rand(2, 2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(TotalVariation(**arguments), u)


@pytest.mark.parametrize("tv", ["anisotropic", "isotropic"])
def test_gradient_at_ties_is_the_subgradient_zero(tv):
    u = torch.full((4, 4), 0.5, requires_grad=True)
    TotalVariation(tv=tv)(u).backward()
    assert torch.equal(u.grad, torch.zeros(4, 4))


@pytest.mark.parametrize("tv", ["anisotropic", "isotropic"])
def test_smoothing_lies_below_by_at_most_half_its_width_a_term(tv):
    u = torch.rand(6, 7, dtype=torch.float64)
    exact, smooth = TotalVariation(tv=tv)(u), TotalVariation(tv=tv, smoothing=0.2)(u)
    terms = 6 * 6 + 5 * 7 if tv == "anisotropic" else 6 * 7
    assert 0 < exact - smooth <= terms * 0.1


@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("tv", ["anisotropic", "isotropic"])
def test_compiles_without_a_graph_break(tv):
    loss = TotalVariation(tv=tv)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    u = torch.rand(2, 1, 6, 7)
    torch.testing.assert_close(compiled(u), loss(u))


def test_repr_names_the_arguments():
    assert "is_mean_reduction=True" in repr(TotalVariation(is_mean_reduction=True))
