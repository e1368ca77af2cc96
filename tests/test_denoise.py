from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image
from problems import picture
from skimage.restoration import denoise_tv_chambolle

from tvdenoise import Result, Specimen, TVDenoiseError, denoise
from tvdenoise.errors import ArrayError

FLOOR = 1e-9
"""What rounding in float64 may add to a certified distance."""


def rms(a, b) -> float:
    return float(np.sqrt(np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)))


@pytest.fixture
def unit(noisy) -> np.ndarray:
    return noisy / 255


class TestLaws:
    def test_mean_is_preserved(self, unit, tv):
        assert denoise(unit, 0.2, tv=tv).image.mean() == pytest.approx(unit.mean(), abs=1e-12)

    def test_affine_intensities(self, unit, tv):
        """denoise(a f + b, a lambda) = a denoise(f, lambda) + b."""
        a, b = 0.5, 0.3
        plain, moved = denoise(unit, 0.1, tv=tv), denoise(a * unit + b, a * 0.1, tv=tv)
        assert rms(moved.image, a * plain.image + b) <= moved.rms_bound + a * plain.rms_bound + FLOOR

    @pytest.mark.parametrize("turned", [np.transpose, np.flipud, np.fliplr])
    def test_symmetries_of_the_anisotropic_grid(self, unit, turned):
        plain, other = denoise(unit, 0.1), denoise(turned(unit), 0.1)
        assert rms(other.image, turned(plain.image)) <= plain.rms_bound + other.rms_bound + FLOOR

    def test_nothing_to_do_returns_the_picture_bit_by_bit(self, unit, noisy, tv):
        for image in (unit, unit.astype(np.float32), noisy, noisy.astype(np.uint16) * 257):
            result = denoise(image, 0, tv=tv)
            assert np.array_equal(result.image, image)
            assert (result.status, result.steps, result.rms_bound) == ("tolerance", 0, 0)

    @pytest.mark.parametrize("weight", [50, 1e4, 1e9])
    def test_huge_weight_returns_the_mean_of_each_channel(self, unit, weight, tv):
        colour = np.stack([unit, 1 - unit, 0.5 * unit], axis=2)
        result = denoise(colour, weight, tv=tv, range=(0, 1))
        assert result.status == "tolerance"
        assert rms(result.image, np.broadcast_to(colour.mean((0, 1)), colour.shape)) <= result.rms_bound + FLOOR

    def test_channels_do_not_know_of_each_other(self, unit, tv):
        colour = np.stack([unit, unit[::-1], 1 - unit], axis=2)
        together = denoise(colour, 0.1, tv=tv)
        for c in range(3):
            alone = denoise(colour[..., c], 0.1, tv=tv)
            bound = alone.rms_bound + np.sqrt(3) * together.rms_bound  # all the error may sit in one channel
            assert rms(together.image[..., c], alone.image) <= bound + FLOOR

    @pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (1, 1, 3)])
    def test_pictures_of_few_pixels(self, shape, tv):
        f = np.random.default_rng(0).random(shape)
        result = denoise(f, 0.05, tv=tv)
        assert result.status == "tolerance"
        assert result.image.shape == shape
        if 1 in shape[:2] and max(shape) == 1:
            assert np.array_equal(result.image, f)

    def test_constant_picture_stays(self, tv):
        f = np.full((9, 8), 0.3)
        assert np.array_equal(denoise(f, 0.5, tv=tv).image, f)


class TestAgainstPeers:
    """In float64 and certified to a tenth of the usual tolerance, beside answers from elsewhere."""

    def test_isotropic_is_scikit_images_chambolle(self, unit):
        peer = denoise_tv_chambolle(unit, weight=0.1, eps=0, max_num_iter=5000)
        result = denoise(unit, 0.1, tv="isotropic", tol=1e-4)
        assert rms(result.image, peer) <= 2 * result.rms_bound

    def test_in_one_dimension_the_kinds_agree(self, unit):
        row = unit[:1]
        a, b = denoise(row, 0.1, tol=1e-5), denoise(row, 0.1, tv="isotropic", tol=1e-5)
        assert rms(a.image, b.image) <= a.rms_bound + b.rms_bound

    def test_a_step_in_one_dimension(self):
        """n black and m white pixels: each part moves by lambda over its length."""
        f = np.r_[np.zeros(8), np.ones(4)][None]
        result = denoise(f, 0.2, tol=1e-6)
        expected = np.r_[np.full(8, 0.2 / 8), np.full(4, 1 - 0.2 / 4)][None]
        assert rms(result.image, expected) <= result.rms_bound

    def test_a_white_square_loses_in_contrast(self):
        """A square of side s loses lambda times its perimeter over its area, which the dark frame gains."""
        f = np.zeros((30, 30))
        f[10:16, 12:18] = 1
        result = denoise(f, 0.1, tol=1e-5)
        inside, gain = 1 - 0.1 * 4 * 6 / 36, 0.1 * 4 * 6 / (900 - 36)
        expected = np.where(f == 1, inside, gain)
        assert rms(result.image, expected) <= result.rms_bound


class TestVolumes:
    """The same laws along a third axis."""

    @pytest.fixture
    def volume(self, unit) -> np.ndarray:
        noise = np.random.default_rng(1).normal(0, 0.1, (6, *unit[:20, :24].shape))
        return unit[:20, :24] + noise

    def test_isotropic_is_scikit_images_chambolle(self, volume):
        peer = denoise_tv_chambolle(volume, weight=0.1, eps=0, max_num_iter=3000)
        result = denoise(volume, 0.1, tv="isotropic", tol=1e-4, volume=True)
        assert rms(result.image, peer) <= 2 * result.rms_bound

    def test_the_axes_are_alike(self, volume, tv):
        plain, turned = (denoise(f, 0.1, volume=True) for f in (volume, volume.transpose(2, 0, 1)))
        assert rms(turned.image, plain.image.transpose(2, 0, 1)) <= plain.rms_bound + turned.rms_bound + FLOOR

    @pytest.mark.parametrize("spacing", [1, 0.01])
    def test_one_slice_is_a_picture(self, unit, tv, spacing):
        picture, volume = denoise(unit, 0.1, tv=tv), denoise(unit[None], 0.1, tv=tv, volume=True, spacing=spacing)
        assert volume.status == "tolerance"
        assert rms(volume.image[0], picture.image) <= picture.rms_bound + volume.rms_bound

    def test_equal_slices_stay_equal(self, unit, tv):
        picture, volume = denoise(unit, 0.1, tv=tv), denoise(np.stack([unit] * 4), 0.1, tv=tv, volume=True)
        assert rms(volume.image, picture.image) <= picture.rms_bound + volume.rms_bound

    @pytest.mark.parametrize("spacing", [0.5, 2.5])
    def test_a_step_between_slices_counts_by_their_distance(self, spacing, tv):
        """Two voxels move towards each other by lambda over the distance."""
        result = denoise(np.array([[[0.0]], [[1.0]]]), 0.1, tv=tv, volume=True, spacing=spacing, tol=1e-7)
        assert result.image.ravel() == pytest.approx([0.1 / spacing, 1 - 0.1 / spacing], abs=1e-6)

    @pytest.mark.parametrize("volume_of", [None, 1])
    def test_rows_apart_are_slices_apart(self, unit, tv, volume_of):
        """A picture is a volume whose slices have one row each."""
        slices = denoise(unit[:, None, :], 0.1, tv=tv, volume=True, spacing=2.0)
        if volume_of is None:
            rows = denoise(unit, 0.1, tv=tv, spacing=(0.4, 0.2))
            image = rows.image
        else:
            rows = denoise(unit[None], 0.1, tv=tv, volume=True, spacing=(7, 2, 1))
            image = rows.image[0]
        assert rows.status == "tolerance"
        assert rms(image, slices.image[:, 0]) <= rows.rms_bound + slices.rms_bound
        assert rms(image, denoise(unit, 0.1, tv=tv).image) > 10 * rows.rms_bound

    def test_columns_and_rows_as_far_apart_are_an_ordinary_picture(self, unit, tv):
        assert np.array_equal(denoise(unit, 0.1, tv=tv, spacing=(3, 3)).image, denoise(unit, 0.1, tv=tv).image)

    def test_slices_far_apart_are_pictures(self, volume, tv):
        whole = denoise(volume, 0.1, tv=tv, volume=True, spacing=1000)
        for solved, single in zip(whole.image, volume, strict=True):
            picture = denoise(single, 0.1, tv=tv)
            far = whole.rms_bound * len(volume) ** 0.5  # what one of the slices may have of it
            assert rms(solved, picture.image) <= picture.rms_bound + far + 2 * 0.1 / 1000

    def test_lambda_is_chosen_for_slices_at_their_distance(self, unit):
        """The estimate of the risk is right, which it is not where its pictures are of another model."""
        clean = np.stack([np.roll(unit, 6 * n, 0) for n in range(6)])
        noisy = clean + np.random.default_rng(1).normal(0, 0.1, clean.shape)
        result = denoise(noisy, tv="isotropic", volume=True, spacing=0.5, sigma=0.1)
        assert result.risk == pytest.approx(((result.image - clean) ** 2).mean(), rel=0.1)

    @pytest.mark.parametrize(("optimizer", "spacing"), [("adam", 0.4), ("lbfgs", 1)])
    def test_every_optimizer_solves_volumes(self, volume, optimizer, tv, spacing):
        fading, model = volume * np.linspace(0, 1, 6)[:, None, None], {"tv": tv, "volume": True, "spacing": spacing}
        ours, theirs = denoise(fading, 0.1, **model), denoise(fading, 0.1, **model, optimizer=optimizer)
        assert rms(ours.image, theirs.image) <= ours.rms_bound + theirs.rms_bound
        assert theirs.rms_bound < 0.01

    def test_layouts(self, volume):
        """Arrays (D, H, W) and (D, H, W, C), tensors (D, H, W), (C, D, H, W) and (N, C, D, H, W)."""
        plain = denoise(volume, 0.1, volume=True).image
        tensor = torch.from_numpy(volume)
        assert np.array_equal(denoise(volume[..., None], 0.1, volume=True).image[..., 0], plain)
        assert np.array_equal(denoise(tensor, 0.1, volume=True).image, plain)
        assert np.array_equal(denoise(tensor[None], 0.1, volume=True).image[0], plain)
        stack = denoise(torch.stack([tensor[None], 1 - tensor[None]]), 0.1, volume=True)
        assert np.array_equal(stack.image[0, 0], plain)
        assert len(stack.pages) == 2
        with pytest.raises(
            TVDenoiseError, match=r"2 dimensions of shape \(20, 24\) are not one volume; give \(D, H, W\)"
        ):
            denoise(volume[0], 0.1, volume=True)


class TestRounding:
    """What the way to the solver's numbers and back moves a picture by is a part of what is certified."""

    @pytest.mark.parametrize(
        ("dtype", "offset"), [(np.float32, 1e6), (np.float16, 0), (np.float16, 3), (torch.bfloat16, 0)]
    )
    def test_to_a_narrow_type(self, dtype, offset):
        f = torch.as_tensor(offset + np.random.default_rng(0).random((32, 32)))
        image = f.to(dtype) if isinstance(dtype, torch.dtype) else f.numpy().astype(dtype)
        result = denoise(image, 0.01, range=(0, 1))
        exact = denoise(torch.as_tensor(image).double(), 0.01, range=(0, 1), tol=1e-6)
        distance = rms(torch.as_tensor(result.image).double(), exact.image)
        assert 0.5 * result.rms_bound < distance <= result.rms_bound

    @pytest.mark.parametrize("dtype", [np.float32, np.uint8])
    def test_to_opponent_colours_and_back(self, dtype):
        f = np.random.default_rng(0).random((32, 32, 3))
        image = f.astype(dtype) if dtype == np.float32 else (255 * f).astype(dtype)
        least = 1e-12
        result, nothing = (denoise(image, weight, color="opponent") for weight in (least, 0))
        assert 0 < result.rms_bound < 1e-6
        assert rms(result.image, image) <= result.rms_bound + 8 * least
        assert np.array_equal(nothing.image, image)
        assert nothing.rms_bound == 0


class TestKinds:
    def test_arrays_give_arrays_of_their_type_and_shape(self, noisy):
        colour = np.stack([noisy] * 3, axis=2)
        for image in (noisy, colour, noisy.astype(np.uint16) * 257, (noisy / 255).astype(np.float16), noisy / 255):
            result = denoise(image, 0.1)
            assert isinstance(result.image, np.ndarray)
            assert (result.image.dtype, result.image.shape) == (image.dtype, image.shape)
            assert result.image.flags["C_CONTIGUOUS"]

    def test_integers_mean_the_same_at_every_depth(self, noisy):
        """A 16- or 32-bit copy of an 8-bit picture gives the same result to within rounding and what is certified."""
        eight = denoise(noisy, 0.1)
        for dtype, factor in ((np.uint16, 257), (np.uint32, 16843009)):
            deep = denoise(noisy.astype(dtype) * dtype(factor), 0.1)
            distance = rms(deep.image / factor / 255, eight.image / 255)
            assert distance <= deep.rms_bound + eight.rms_bound + 0.5 / 255

    def test_signed_integers_are_scaled_by_their_largest_value(self):
        f = np.array([[-3000, 3000]], np.int16)
        result = denoise(f, 0.01, tol=1e-6)
        assert result.image.tolist() == [[-3000 + 328, 3000 - 328]]  # 0.01 * 32767, rounded

    def test_integers_are_clipped_not_wrapped(self):
        assert denoise(np.full((4, 4), 255, np.uint8), 0.1).image.max() == 255

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8])
    @pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7), (5, 6, 7), (2, 3, 6, 7)])
    def test_tensors_give_tensors(self, dtype, shape):
        f = torch.rand(shape)
        image = (f * 255).to(dtype) if dtype == torch.uint8 else f.to(dtype)
        result = denoise(image, 0.1)
        assert isinstance(result.image, torch.Tensor)
        assert (result.image.dtype, result.image.shape) == (image.dtype, image.shape)
        assert not result.image.requires_grad

    def test_tensor_and_array_of_one_picture_agree_bit_by_bit(self, unit):
        colour = np.stack([unit, unit.T[:40, :40].repeat(2, 1)[:, :48], 1 - unit], axis=2)
        array = denoise(colour, 0.1).image
        tensor = denoise(torch.from_numpy(colour).movedim(2, 0), 0.1).image
        assert np.array_equal(array, tensor.movedim(0, 2).numpy())
        assert np.array_equal(array, np.moveaxis(denoise(np.moveaxis(colour, 2, 1), 0.1, channel_axis=1).image, 1, 2))

    def test_pictures_of_a_stack_do_not_know_of_each_other(self, unit):
        stack = torch.stack([torch.from_numpy(unit), torch.zeros(40, 48), torch.rand(40, 48)])[:, None].float()
        result = denoise(stack, 0.1)
        alone = [denoise(page, 0.1) for page in stack]
        assert torch.equal(result.image, torch.stack([one.image for one in alone]))
        assert result.energy == pytest.approx(sum(one.energy for one in alone))
        assert result.gap == pytest.approx(sum(one.gap for one in alone))
        assert result.rms_bound == pytest.approx(max(one.rms_bound for one in alone))
        assert result.steps == max(one.steps for one in alone)
        assert [page.steps for page in result.pages] == [one.steps for one in alone]

    def test_status_of_a_stack_is_its_worst(self, unit):
        stack = torch.stack([torch.zeros(40, 48), torch.from_numpy(unit)])[:, None]
        result = denoise(stack, 0.1, max_steps=5)
        assert [page.status for page in result.pages] == ["tolerance", "max_steps"]
        assert result.status == "max_steps"

    @pytest.mark.parametrize(
        "view",
        [
            lambda a: a[::-1, ::2],
            lambda a: a.astype(">f4"),
            lambda a: np.asfortranarray(a),
            lambda a: np.broadcast_to(a[:1], a.shape),
        ],
    )
    def test_views_read_only_and_foreign_byte_orders(self, unit, view):
        image = view(unit.astype(np.float32))
        copy = np.array(image, dtype=np.float32, order="C")
        assert np.array_equal(denoise(image, 0.1).image, denoise(copy, 0.1).image)

    def test_input_is_left_alone(self, unit):
        for image in (unit, unit.astype(np.float32)):
            copy = image.copy()
            answer = denoise(image, 0.0).image
            answer += 1
            assert np.array_equal(image, copy)


class TestPrecision:
    def test_tolerances_beyond_float32_are_met(self, unit, tv):
        for weight, tol in ((0.1, 1e-5), (2.0, 1e-3)):
            result = denoise(unit.astype(np.float32), weight, tv=tv, tol=tol)
            assert result.status == "tolerance"
            assert result.rms_bound <= tol

    def test_float32_reaches_the_tolerances_it_is_trusted_with(self, tv):
        """Just above the threshold at which float64 takes over."""
        f = np.random.default_rng(0).random((64, 64), np.float32)
        for weight in (0.01, 0.1, 1.0):
            assert denoise(f, weight, tv=tv, tol=1.01e-3 * weight ** (2 / 3)).status == "tolerance"

    def test_little_contrast_on_a_high_level_is_solved_too(self, unit, tv):
        """Where float32 holds the picture but not what lambda moves in it."""
        for level, contrast in ((0.9, 3e-4), (300.0, 0.01)):
            f = (level + contrast * unit).astype(np.float32)
            result = denoise(f, 0.1 * contrast, tv=tv, range=(0, 1))
            assert result.status == "tolerance"

    @pytest.mark.parametrize("offset", [1e3, -1e6])
    def test_total_variation_does_not_see_an_offset(self, unit, tv, offset):
        plain, moved = (denoise(unit[:24, :24] + by, 0.1, tv=tv, tol=1e-5, range=(0, 1)) for by in (0.0, offset))
        assert (plain.status, moved.status) == ("tolerance", "tolerance")
        assert rms(moved.image - offset, plain.image) <= plain.rms_bound + moved.rms_bound

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
    @pytest.mark.parametrize(("tol", "offset"), [(1e-3, 0.0), (1e-4, 0.0), (1e-3, 1e4), (1e-3, 1e6)])
    def test_what_is_certified_by_status_is_so_by_its_bound(self, unit, dtype, tol, offset):
        """Rounding to the type of the image counts: room is left for it, or the status says that there is none."""
        f = torch.as_tensor(unit[:24, :24] + min(offset, torch.finfo(dtype).max / 2)).to(dtype)
        result = denoise(f, 0.1, tol=tol)
        assert result.status == ("tolerance" if result.rms_bound <= tol else "precision")
        half_a_unit = torch.finfo(dtype).eps / 2 * float(f.double().square().mean().sqrt())
        assert result.status == "tolerance" or half_a_unit > tol / 4

    @pytest.mark.parametrize("weight", [1e-20, 1e-200, 1e-300])
    def test_a_lambda_below_what_floats_resolve_is_answered_at_once(self, unit, weight, tv):
        result = denoise(unit, weight, tv=tv)
        assert (result.status, result.steps) == ("precision", 20)
        assert rms(result.image, unit) <= result.rms_bound < 1e-15

    def test_a_picture_that_fills_little_of_its_range_is_denoised_all_the_same(self, unit, tv):
        """The default tolerance follows lambda: a thousandth of the picture with a thousandth of lambda is the same."""
        small, large = (denoise(k * unit, 0.1 * k, tv=tv, range=(0, 1)) for k in (1e-3, 1.0))
        assert small.rms_bound <= 0.04 * 1e-4
        assert np.sqrt(np.mean((1e3 * small.image - large.image) ** 2)) <= 1e3 * small.rms_bound + large.rms_bound
        read = denoise(1e-3 * unit, tv=tv, range=(0, 1))
        assert read.weight == pytest.approx(1e-3 * denoise(unit, tv=tv).weight, rel=1e-3)
        assert read.steps > 0


def test_the_smallest_lambda_there_is_is_one(unit):
    assert denoise(unit, 5e-324, max_steps=3).image == pytest.approx(unit)


class TestBadArguments:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"weight": -0.1}, "weight: -0.1 is neither a number from 0"),
            ({"strength": None}, "strength: None is not a number from 0.01"),
            ({"volume": "no"}, "volume: 'no' is neither true nor false"),
            ({"weight": np.eye(64)}, r"^weight: array.{,30} is neither a number from 0"),
            ({"weight": float("nan")}, "weight: nan"),
            ({"weight": float("inf")}, "weight: inf"),
            ({"tv": "total"}, "tv: 'total' is unknown; choose from anisotropic, isotropic"),
            ({"optimizer": "adan"}, "optimizer: 'adan' is unknown; did you mean adam?"),
            ({"optimizer": "?"}, "optimizer: '\\?' is unknown; choose from auto, alternating, fista, "),
            ({"lr": 0.0}, "lr: 0.0"),
            ({"lr": 1e300}, "lr: 1e.300 is not a number above 0 and at most"),
            ({"lr": float("nan")}, "lr: nan"),
            ({"tol": 0.0}, "tol: 0.0"),
            ({"tol": float("nan")}, "tol: nan"),
            ({"max_steps": 0}, "max_steps: 0"),
            ({"max_steps": 2.5}, "max_steps: 2.5 is not a whole number"),
            ({"device": None}, "device: None is no name"),
            ({"optimizer": 3}, "optimizer: 3 is no name"),
            ({"channel_axis": True}, "channel_axis: a picture of 2 dimensions has no channels"),
            ({"weight": None}, "weight: None is neither a number"),
            ({"tol": "a"}, "tol: 'a' is not a finite number"),
        ],
    )
    def test_settings(self, unit, arguments, message):
        with pytest.raises(ValueError, match=message):
            denoise(unit, **({"weight": 0.1} | arguments))

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (np.zeros((4, 4, 5)), r"its shape \(4, 4, 5\) does not say where the channels are; set channel_axis"),
            (np.zeros(4), "1 dimensions"),
            (np.zeros((2, 3, 4, 4)), "4 dimensions"),
            (torch.zeros(1, 1, 1, 4, 4), "5 dimensions"),
            (torch.zeros(0, 1, 4, 4), "the stack is empty"),
            (np.zeros((0, 4)), "it is empty"),
            (torch.zeros(0, 4), "it is empty"),
            (np.zeros((4, 4), bool), "type bool"),
            (np.zeros((4, 4), np.int64), "type int64"),
            (np.zeros((4, 4), complex), "type complex128"),
            (torch.zeros(4, 4, dtype=torch.bool), "type bool"),
            ([[0.0, 1.0]], "it is of type list; give a NumPy array, such as numpy.asarray makes"),
            (Image.new("P", (4, 4)), r"it is of type Image; .* \(of a PIL image in mode L or RGB\)"),
            (
                np.zeros((30, 64, 64)),
                "where the channels are; set channel_axis, or volume=True for a volume; a stack is",
            ),
            (torch.zeros(64, 64, 3), r"its shape \(64, 64, 3\) does not say where the channels are"),
            (torch.eye(4).to_sparse(), "layout torch.sparse_coo.*; give a dense one"),
            (torch.zeros(4, 4).to(torch.float8_e4m3fn), "type torch.float8_e4m3fn"),
            (torch.zeros(4, 4, device="meta"), "on meta"),
            (np.ma.masked_less(np.eye(4), 0.5), "it has a mask, which would be lost"),
            (np.array([[0.0, np.nan], [np.inf, 1.0]]), r"2 of its values are not finite .* first at \(0, 1\)"),
            (torch.tensor([[0.0, 1.0], [-torch.inf, 1.0]]), r"1 of its values are not finite .* first at \(1, 0\)"),
        ],
    )
    def test_images(self, image, message):
        with pytest.raises(ValueError, match=message):
            denoise(image, 0.1)

    def test_a_sigma_in_the_numbers_of_the_type(self, noisy):
        advice = "divide it by the number for white, as in 25/255"
        for image in (noisy, noisy / 255, torch.from_numpy(noisy / 255).half()):
            with pytest.raises(ValueError, match=rf"sigma: 25\.5 is more than the whole range.*; {advice}$"):
                denoise(image, sigma=25.5)
        with pytest.raises(ValueError, match=rf"; {advice} with range=\(0, 255\)$"):  # else its own numbers scale it
            denoise(noisy / 1.0, sigma=25.5)
        assert denoise(np.zeros((9, 9)), sigma=25.5).status == "tolerance"  # as a frame of others is that go to 255
        assert denoise(noisy / 1.0, sigma=25.5, range=(0, 1), max_steps=1).sigma == 25.5

    @pytest.mark.parametrize(("shape", "axis"), [((4, 4), 0), ((4, 4, 3), 3), ((4, 4, 3), -4)])
    def test_channel_axis(self, shape, axis):
        with pytest.raises(ValueError, match="channel_axis"):
            denoise(np.zeros(shape), 0.1, channel_axis=axis)

    def test_channel_axis_of_a_stack(self):
        with pytest.raises(ValueError, match=r"channel_axis: in a stack the channels are at axis 1"):
            denoise(torch.zeros(2, 3, 4, 4), 0.1, channel_axis=1)

    @pytest.mark.parametrize("device", ["gpu:99", "cuda:99", "meta", "xla"])
    def test_devices(self, unit, device):
        name = device.replace("gpu", "cuda")  # as people call it
        with pytest.raises(TVDenoiseError, match=f"{name}: torch .*; use auto"):
            denoise(unit, 0.1, device=device)


def test_result_says_everything(unit):
    seen = []
    result = denoise(unit, 0.1, device="cpu", callback=seen.append)
    assert isinstance(result, Result)
    assert (result.device, result.pages) == ("cpu", ())
    assert result.seconds > 0
    assert 0 <= result.gap < result.energy
    assert seen[-1].step == result.steps


def test_callback_hears_of_every_picture_of_a_stack(unit):
    seen = []
    result = denoise(torch.as_tensor(unit).expand(3, 1, -1, -1), 0.1, callback=seen.append)
    alone = [progress.step for progress in seen[: len(seen) // 3]]
    assert [progress.step for progress in seen] == 3 * alone
    assert alone[-1] == result.steps


@pytest.mark.parametrize("optimizer", ["auto", "fista", "adam", "lbfgs"])
def test_what_torch_and_numpy_are_told_elsewhere_changes_nothing(optimizer):
    """Inference mode, another default device or type, and errors where numbers become too small."""
    f = picture(3, 30, 40) + 0.05 * torch.randn(3, 30, 40, generator=torch.Generator().manual_seed(0))
    settings = {"optimizer": optimizer, "max_steps": 5, "color": "opponent"}
    expected = denoise(f, **settings)
    results = []
    with torch.inference_mode():
        results += [denoise(f, **settings), denoise(f.clone(), **settings)]
    with torch.device("meta"):
        results += [denoise(f, **settings)]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        results += [denoise(f, **settings)]
    finally:
        torch.set_default_dtype(before)
    with np.errstate(all="raise"):
        results += [denoise(f, **settings)]
        assert denoise(1e-300 * f[0].double().numpy(), 1e-300, max_steps=1).weight == 1e-300
    for result in results:
        assert result.weight == expected.weight
        assert torch.equal(result.image, expected.image)


def test_numbers_may_be_those_of_any_library():
    expected = denoise(f := np.eye(20) + 0.1, 0.25, tol=1e-4, max_steps=30)
    assert denoise(f, Fraction(1, 4), tol=np.float64(1e-4), max_steps=np.int64(30)).rms_bound == expected.rms_bound
    assert denoise(f, sigma=Fraction(1, 4)).weight == denoise(f, sigma=0.25).weight
    assert denoise(f, 0.25, lr=Fraction(1, 10)).status == "tolerance"


def test_values_whose_squares_are_none_say_no_lambda():
    f = np.random.default_rng(0).normal(size=(16, 16)) * 1e300
    with pytest.raises(ArrayError, match="the squares of its values are too large"):
        denoise(f, range=(0, 1))
    assert 0.1 < denoise(f).weight < 1


@pytest.mark.parametrize("weight", [np.array([0.1, 0.2]), "large", True, np.nan])
def test_a_weight_that_is_none(weight):
    with pytest.raises(TVDenoiseError, match=r"weight: .* is neither a number from 0 to 1e\+09 nor auto"):
        denoise(np.zeros((4, 4)), weight)


class TestRange:
    """What stands for 0 and 1 is found in an array as it is in a file, and can be said."""

    @pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(("factor", "offset"), [(255, 0), (4000, -1000), (1e-17, 0), (1e-3, 0.5)])
    def test_floats_of_any_unit(self, unit, factor, offset, dtype, convert):
        """Lambda removes as much of them as of the same picture from 0 to 1."""
        f = (unit - unit.min()) / np.ptp(unit)
        image = (factor * f + offset).astype(dtype)
        result = denoise(convert(image), 0.1)
        plain = denoise(f, 0.1)
        low, high = result.range
        assert (low, high) == (image.min(), image.max())
        moved = (np.asarray(result.image, np.float64) - low) / (high - low)
        rounding = np.finfo(dtype).eps * (1 + abs(offset / factor))
        assert rms(moved, plain.image) <= plain.rms_bound + result.rms_bound + rounding
        assert np.array_equal(denoise(convert(image), 0).image, image)

    def test_a_range_that_is_given(self, noisy):
        """Other floats are taken as they are, and 12 bits in 16 as they are meant."""
        f = noisy / 1.0
        assert denoise(f, 25.5, range=(0, 1)).range == (0, 1)
        scaled = denoise(f, 0.1, range=(0, 255))
        assert rms(denoise(f, 25.5, range=(0, 1), tol=0.1).image, scaled.image) <= 0.1 + 255 * scaled.rms_bound
        twelve = noisy.astype(np.uint16) * 16
        assert rms(denoise(twelve, 0.1, range=(0, 4080)).image / 16, denoise(noisy, 0.1).image) < 1

    @pytest.mark.parametrize("wrong", [(1, 0), 3, "ab", (0, np.nan), (1, 2, 3), (0, 10**400)])
    def test_what_is_no_range(self, unit, wrong):
        with pytest.raises(ValueError, match=r"range: .* is not two finite numbers, the smaller first"):
            denoise(unit, 0.1, range=wrong)

    def test_a_lambda_that_leaves_nothing_is_doubted(self, noisy):
        for image in (noisy, noisy / 1.0):
            with pytest.warns(UserWarning, match="lambda 25 is for intensities 0 to 1; .* give 25/255") as caught:
                denoise(image, 25)
            assert caught[0].filename == __file__


class TestTransforms:
    """What other libraries make of functions and arrays: used as it is, or refused in a line."""

    @pytest.mark.parametrize("transform", ["vmap", "grad", "jacrev", "functionalize"])
    def test_of_functions(self, transform):
        with pytest.raises(ArrayError, match=r"its values cannot be read inside vmap, torch\.func or other"):
            getattr(torch.func, transform)(lambda f: denoise(f, 0.1).image.sum())(torch.rand(3, 8, 8))

    @pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
    def test_of_traces(self):
        """Which would keep the answer to one picture for all."""
        with pytest.raises(ArrayError, match=r"its values cannot be read inside vmap, torch\.func or other"):
            torch.jit.trace(lambda f: denoise(f, 0.1).image, (torch.rand(8, 8),))

    def test_compiled_functions_call_it_as_it_is(self):
        f = torch.rand(8, 8)
        double = torch.compile(lambda f: 2 * denoise(f, 0.1).image, backend="eager")
        assert torch.equal(double(f), 2 * denoise(f, 0.1).image)

    def test_a_gradient_that_is_missing_is_said(self):
        f = torch.rand(8, 8, requires_grad=True)
        with pytest.warns(UserWarning, match=r"no gradient flows through denoise: give it image\.detach") as caught:
            denoise(f, 0.1)
        assert caught[0].filename == __file__
        with torch.no_grad():
            denoise(f, 0.1)

    def test_arrays_with_more_than_numbers(self):
        class Quantity(np.ndarray):
            """As astropy has it."""

        for array in (np.eye(4).view(Quantity), np.ma.array(np.eye(4))):
            with pytest.raises(ArrayError, match=r"what that adds to numbers, .* would be lost; give numpy\.asarray"):
                denoise(array, 0.1)
            with pytest.raises(ArrayError, match=r"a: it is a .* would be lost"):
                Specimen("a", array)
