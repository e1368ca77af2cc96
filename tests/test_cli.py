"""The command as a user meets it: what it writes, says and returns, and what it leaves behind when things go wrong."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from scipy.ndimage import uniform_filter

from tvdenoise import __version__, denoise
from tvdenoise.cli import messages
from tvdenoise.files.metrics import quality
from tvdenoise.files.rows import finite

ROW_KEYS = (
    "input output status error shape axes dtype tv noise_model volume spacing strength pages_given optimizer lr "
    "max_steps range weight color chroma sigma criterion risk is_noise_correlated is_noise_signal_dependent "
    "is_unchanged device steps stop energy gap rms_bound tol psnr_before psnr_after ssim_before ssim_after "
    "seconds version pages"
).split()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TestGood:
    def test_denoises_into_the_named_file(self, run, here, noisy):
        code, out, err = run("in.png", "-o", "out.png", "--lambda", "0.1")
        assert (code, out) == (0, "")
        assert np.array_equal(np.asarray(Image.open("out.png")), denoise(noisy, 0.1).image)
        line = r"in\.png -> out\.png: smoothed at lambda 0\.1 in \d+\.\d s\n"
        assert re.fullmatch(line, err)
        _, _, err = run("in.png", "-o", "out.png", "--lambda", "0.1", "--overwrite", "-v")
        how = (
            r"48x40 gray, lambda 0\.1, alternating on \w+, \d+ steps, certified within 0\.0\d+ "
            r"of the exact minimiser \(0\.\d+ of an 8-bit gray level\), \d+\.\d\d s of steps\n"
        )
        assert re.search(f"\n{line}{how}energy ", err)
        assert names(here) == {"in.png", "clean.png", "out.png"}

    def test_lambda_is_chosen_unless_it_is_given(self, run, noisy):
        code, _, err = run("in.png", "-o", "out.png", "-v")
        expected = denoise(noisy)
        assert code == 0
        assert np.array_equal(np.asarray(Image.open("out.png")), expected.image)
        chosen = f"lambda {expected.weight:.4g} by SURE for noise of sigma {255 * expected.sigma:.3g} of 0..255"
        assert f"48x40 gray, {chosen}, fista" in err
        assert re.search(f"out.png: noise of sigma {255 * expected.sigma:.3g} of 255 removed in [\\d.]+ s\n", err)
        row = json.loads(run("in.png", "-o", "again.png", "-q", "--json", "-l", "auto")[1])
        assert (row["weight"], row["sigma"], row["risk"]) == (expected.weight, expected.sigma, expected.risk)
        assert row["criterion"] == "sure"

    def test_sigma_is_in_the_units_of_the_file_or_a_fraction(self, run, noisy):
        tifffile.imwrite("deep.tif", noisy.astype(np.uint16) * 257)
        rows = [
            json.loads(run(name, "-o", f"{i}.tif", "-q", "--json", "--sigma", sigma)[1])
            for i, (name, sigma) in enumerate(
                [("in.png", "20"), ("in.png", "20/255"), ("deep.tif", "5140"), ("deep.tif", "20/255")]
            )
        ]
        assert [row["sigma"] for row in rows] == pytest.approx([20 / 255] * 4)
        assert [row["weight"] for row in rows] == pytest.approx([rows[0]["weight"]] * 4, rel=1e-4)

    def test_preset_best_stands_for_three_options_each_of_which_overrules_it(self, run, noisy):
        Image.fromarray(np.dstack([noisy, noisy[::-1], noisy[:, ::-1]])).save("colour.png")
        row = json.loads(run("colour.png", "-o", "a.png", "-q", "--json", "--preset", "best")[1])
        assert (row["criterion"], row["tv"], row["color"]) == ("sure", "isotropic", "opponent")
        run("colour.png", "-o", "b.png", "-q", "--lambda", "auto", "--tv", "isotropic", "--color", "opponent")
        assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
        options = ("--preset", "best", "-l", "0.1", "--tv", "anisotropic", "--color", "coupled")
        row = json.loads(run("colour.png", "-o", "c.png", "-q", "--json", *options)[1])
        assert (row["weight"], row["criterion"], row["tv"], row["color"]) == (0.1, None, "anisotropic", "coupled")
        gray = json.loads(run("in.png", "-o", "d.png", "-q", "--json", "--preset", "best")[1])
        assert (gray["color"], gray["chroma"]) == ("rgb", None)

    @pytest.mark.parametrize(
        ("given", "tv", "color"),
        [
            ((), "isotropic", "opponent"),
            (("--lambda", "auto", "--sigma", "20", "--optimizer", "fista"), "isotropic", "opponent"),
            (("--tv", "anisotropic"), "anisotropic", "opponent"),
            (("--color", "rgb"), "isotropic", "rgb"),
            (("--lambda", "0.1"), "anisotropic", "rgb"),
            (("--lambda", "0.1", "--color", "coupled"), "anisotropic", "coupled"),
            (("--lambda", "0.1", "--preset", "best"), "isotropic", "opponent"),
        ],
    )
    def test_the_default_model_is_the_best_where_lambda_is_chosen_else_the_plain_one(
        self, run, noisy, given, tv, color
    ):
        Image.fromarray(np.dstack([noisy, noisy[::-1], noisy[:, ::-1]])[:20]).save("colour.png")
        row = json.loads(run("colour.png", "-o", "a.png", "-q", "--json", "--max-steps", "1", *given)[1])
        assert (row["tv"], row["color"]) == (tv, color)

    def test_the_row_and_the_line_tell_how_to_get_the_same_again(self, run, noisy):
        Image.fromarray(np.dstack([noisy, noisy[::-1], noisy[:, ::-1]])).save("colour.png")
        _, out, err = run("colour.png", "-o", "a.tif", "--allow-loss", "--json", "--preset", "best", "-v")
        row = json.loads(out)
        assert f"lambda {row['weight']:.4g} (chroma {row['chroma']:.3g} times that) by SURE" in err
        given = ("--lambda", str(row["weight"]), "--chroma", str(row["chroma"]))
        again = json.loads(run("colour.png", "-o", "b.tif", "--allow-loss", "--json", "--preset", "best", *given)[1])
        assert (again["weight"], again["chroma"]) == (row["weight"], row["chroma"])
        assert again["energy"] == pytest.approx(row["energy"], abs=row["gap"] + again["gap"])

    def test_a_turned_picture_gives_what_its_upright_copy_gives(self, run, noisy):
        """The differences of isotropic total variation reach to the right and below, as a viewer shows it."""
        upright = Image.fromarray(np.dstack([noisy, noisy[::-1], noisy[:, ::-1]])[:24, :16])
        turn_back = (None, 0, 3, 1, 5, 2, 6, 4)  # the transpositions of Pillow that undo those of EXIF
        for number, undo in enumerate(turn_back, 1):
            exif = Image.Exif()
            exif[0x0112] = number
            stored = upright if undo is None else upright.transpose(Image.Transpose(undo))
            stored.save(f"{number}.png", exif=exif)
            with Image.open(f"{number}.png") as picture:
                assert np.array_equal(ImageOps.exif_transpose(picture), upright)
            assert run(f"{number}.png", "-o", f"out{number}.png", "-q", "--sigma", "20")[0] == 0
            with Image.open(f"out{number}.png") as result:
                assert result.size == stored.size
                shown = np.asarray(ImageOps.exif_transpose(result))
            if number == 1:
                expected = shown
            assert np.array_equal(shown, expected)

    def test_noise_that_whole_numbers_cannot_lose_is_said(self, run, here):
        """No pixel reaches the next number; floats show what is taken off."""
        random = np.random.default_rng(0)
        waves = 128 + 40 * np.sin(np.arange(64) / 2) * np.cos(np.arange(64) / 2.3)[:, None]
        for sigma, is_lost in ((0.6, True), (20, False)):
            noisy = np.clip(np.rint(waves + random.normal(0, sigma, waves.shape)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save("weak.png")
            _, _, err = run("weak.png", "-o", "out.png", "--overwrite")
            assert ("no pixel changes; -o NAME.npy shows" in err) == is_lost
            assert re.search(r"noise of sigma .* of 255 (found|removed) in", err)[1] == (
                "found" if is_lost else "removed"
            )
            assert np.array_equal(np.asarray(Image.open("out.png")), noisy) == is_lost
            _, _, err = run("weak.png", "clean.png", "-o", "several", "--overwrite", "-j", "1")
            assert ("1 picture: too little taken off for whole numbers to show: no pixel" in err) == is_lost
            assert "no pixel changes" not in run("weak.png", "-o", "out.npy", "--allow-loss", "--overwrite")[2]
            assert not np.array_equal(np.load("out.npy"), noisy.astype(np.float32) / 255)

    def test_transparency_is_no_colour(self, run, noisy):
        colour = np.dstack([noisy, noisy[::-1], noisy[:, ::-1]])
        Image.fromarray(np.dstack([colour, noisy])).save("alpha.png")
        run("alpha.png", "-o", "out.png", "-q", "--color", "opponent", "-l", "0.1")
        out = np.asarray(Image.open("out.png"))
        assert np.array_equal(out[..., :3], denoise(colour, 0.1, color="opponent").image)
        assert np.array_equal(out[..., 3], noisy)

    def test_each_page_has_a_lambda_of_its_own(self, run, noisy):
        tifffile.imwrite("stack.tif", np.stack([noisy, noisy // 2]), photometric="minisblack")
        _, out, err = run("stack.tif", "-o", "out.tif", "--json", "-v")
        row = json.loads(out)
        weights = [page["weight"] for page in row["pages"]]
        assert weights == pytest.approx([denoise(page).weight for page in (noisy, noisy // 2)], rel=1e-6)
        assert row["weight"] == pytest.approx(sum(weights) / 2)
        assert f"2 pages, lambda {weights[0]:.4g} / {weights[1]:.4g} by SURE for noise of sigma " in err
        blurred = uniform_filter(np.random.default_rng(1).normal(128, 40, (64, 64)), 3).astype(np.uint8)
        white = np.random.default_rng(2).normal(128, 20, (64, 64)).astype(np.uint8)
        tifffile.imwrite("stack.tif", np.stack([blurred, white]), photometric="minisblack")
        assert re.search(r"-> out\.tif: 2 pages, noise of sigma 10\.\d to 21\.\d of 255 removed in ", err)
        assert "shared by neighbouring pixels in 1 of 2 pages" in run("stack.tif", "-o", "more.tif", "-v")[2]
        tifffile.imwrite("five.tif", np.stack([noisy] * 5), photometric="minisblack")
        assert f"5 pages, mean lambda {weights[0]:.4g} by SURE" in run("five.tif", "-o", "5.tif", "-v")[2]

    def test_channels_that_are_no_colours_have_each_a_lambda_of_its_own(self, run, noisy):
        """Of what a microscope sees in two stains, one says nothing about the other."""
        channels = np.dstack([noisy, noisy[::-1] // 4])
        tifffile.imwrite("two.tif", channels, photometric="minisblack", extrasamples=["unspecified"])
        _, out, err = run("two.tif", "-o", "out.tif", "--json", "-v")
        alone = [denoise(channels[..., c]) for c in (0, 1)]
        assert [page["weight"] for page in json.loads(out)["pages"]] == pytest.approx([one.weight for one in alone])
        assert "2 channels, lambda" in err
        assert np.array_equal(tifffile.imread("out.tif"), np.dstack([one.image for one in alone]))
        coupled = json.loads(run("two.tif", "-o", "coupled.tif", "--json", "--color", "coupled")[1])
        assert coupled["pages"] is None
        assert coupled["weight"] == pytest.approx(denoise(channels, color="coupled", channel_axis=2).weight)

    def test_colours_called_channels_keep_their_transparency(self, run, noisy):
        pixels = np.dstack([noisy, noisy[::-1] // 4, noisy.T[: len(noisy)].repeat(2, 1)[:, : noisy.shape[1]], noisy])
        tifffile.imwrite("rgba.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
        _, _, err = run("rgba.tif", "-o", "out.tif", "--axes", "YXC", "-l", "0.1", "-v")
        assert "48x40 3 channels with alpha" in err
        out = tifffile.imread("out.tif")
        assert np.array_equal(out[..., 3], noisy)
        assert all(np.array_equal(out[..., c], denoise(pixels[..., c], 0.1).image) for c in range(3))

    def test_volumes_of_several_channels(self, run, noisy):
        stack = np.stack([np.stack([noisy[:20, :16], noisy[20:40, :16]]), np.zeros((2, 20, 16), np.uint8)])
        tifffile.imwrite("zc.tif", stack.transpose(1, 0, 2, 3), imagej=True, metadata={"axes": "ZCYX"})
        _, out, err = run("zc.tif", "-o", "out.tif", "--json", "--volume", "-l", "0.2", "-v")
        assert [page["energy"] > 0 for page in json.loads(out)["pages"]] == [True, False]
        assert np.array_equal(tifffile.imread("out.tif")[:, 0], denoise(stack[0], 0.2, volume=True).image)
        assert "16x20 2 channels, 2 pages" in err

    def test_what_is_said_of_many_pages_is_said_by_channel(self, run, noisy):
        loud = np.random.default_rng(0).normal(100, 40, noisy.shape).clip(0, 255).astype(np.uint8)
        tifffile.imwrite("zc.tif", np.stack([np.stack([noisy, loud])] * 3), imagej=True, metadata={"axes": "ZCYX"})
        _, out, err = run("zc.tif", "-o", "out.tif", "--json", "-v")
        quiet, noisier = ([page["weight"] for page in json.loads(out)["pages"]][c::2] for c in (0, 1))
        assert f"3 pages, mean lambda {sum(quiet) / 3:.4g} / {sum(noisier) / 3:.4g} by SURE" in err

    def test_a_file_that_is_no_picture_has_a_row(self, run, here):
        (here / "cells.czi").write_bytes(b"ZISRAWFILE" + bytes(200))
        code, out, _ = run("cells.czi", "-o", "out.png", "--json")
        assert (code, json.loads(out)["status"]) == (1, "failed")

    def test_noise_that_is_not_as_assumed_is_said(self, run):
        random = np.random.default_rng(0)
        ramp = np.tile(np.linspace(0.05, 0.9, 200, dtype=np.float32), (200, 1))
        photons = ramp + np.sqrt(0.02 * ramp) * random.normal(size=ramp.shape).astype(np.float32)
        np.save("photons.npy", photons)
        assert ", changing with the signal, fista" in run("photons.npy", "-o", "a.npy", "-v")[2]
        blurred = uniform_filter(random.normal(0, 0.3, ramp.shape), 3).astype(np.float32)
        np.save("blurred.npy", 0.5 + blurred)
        assert ", shared by neighbouring pixels, fista" in run("blurred.npy", "-o", "b.npy", "-v")[2]
        advice = "noise shared by neighbouring pixels: if some remains, try --strength"
        assert run("blurred.npy", "-o", "c.npy")[2].endswith(f" s\n{advice} 1.5\n")
        assert run("blurred.npy", "-o", "d.npy", "--strength", "2")[2].endswith(f" s\n{advice} 3\n")
        assert f"1 picture: {advice} 1.5\n" in run("blurred.npy", "photons.npy", "-o", "many")[2]

    def test_rounding_to_the_floats_of_a_file_is_certified_too(self, run, noisy):
        np.save("offset.npy", (1e6 + noisy / 255).astype(np.float32))
        _, out, err = run("offset.npy", "-o", "out.npy", "-l", "0.01", "--json", "-v")
        assert "of 1000000..1000001), as close as the arithmetic allows, " in err
        exact = denoise(np.load("offset.npy").astype(np.float64), 0.01, tol=1e-6).image
        distance = np.sqrt(np.mean((np.load("out.npy") - exact) ** 2))
        assert 0.5 * json.loads(out)["rms_bound"] < distance <= json.loads(out)["rms_bound"]

    def test_goes_beside_the_input_by_default_and_into_folders_under_its_name(self, run, here):
        assert run("in.png", "-l", "0.1")[0] == 0
        (here / "sub").mkdir()
        assert run("in.png", "-l", "0.1", "-o", "sub")[0] == 0
        assert (here / "in_denoised.png").read_bytes() == (here / "sub" / "in.png").read_bytes()

    def test_options_reach_the_solver(self, run, noisy):
        options = [
            "--tv",
            "isotropic",
            "--optimizer",
            "adam",
            "--lr",
            "0.03",
            "--tol",
            "0.02",
            "--max-steps",
            "60",
            "--device",
            "cpu",
        ]
        code, out, err = run("in.png", "-o", "out.npy", "-l", "0.2", "--json", *options)
        row = json.loads(out)
        assert code == 0
        expected = denoise(
            (noisy / np.float32(255)).astype(np.float32),
            0.2,
            tv="isotropic",
            optimizer="adam",
            lr=0.03,
            tol=0.02,
            max_steps=60,
            device="cpu",
        )
        assert np.array_equal(np.load("out.npy"), expected.image)
        keys = ("weight", "tv", "optimizer", "device", "steps", "stop")
        assert [row[key] for key in keys] == [0.2, "isotropic", "adam", "cpu", expected.steps, expected.status]
        # Compiled code adds the sums of a certificate in another order than torch.
        sums = (expected.energy, expected.gap, expected.rms_bound)
        assert [row[key] for key in ("energy", "gap", "rms_bound")] == pytest.approx(sums, rel=1e-9)

    def test_json_row_has_every_key_and_stdout_nothing_else(self, run):
        code, out, err = run("in.png", "-o", "out.png", "-l", "0.1", "--json", "-v")
        row = json.loads(out)
        assert list(row) == ROW_KEYS
        assert (row["input"], row["output"], row["status"], row["error"]) == ("in.png", "out.png", "done", None)
        assert (row["shape"], row["dtype"], row["range"]) == ([40, 48], "uint8", [0, 255])
        assert (row["stop"], row["color"], row["version"]) == ("tolerance", "rgb", __version__)
        assert row["rms_bound"] <= 1e-3
        assert row["psnr_before"] is row["ssim_after"] is None
        assert "certified" in err

    def test_reference_reports_quality_of_what_was_written(self, run, noisy):
        code, out, err = run("in.png", "-o", "out.png", "-l", "0.1", "--reference", "clean.png", "--json")
        row = json.loads(out)
        clean = np.asarray(Image.open("clean.png")) / 255
        before = quality(clean, noisy / 255)
        after = quality(clean, np.asarray(Image.open("out.png")) / 255)
        assert (row["psnr_before"], row["ssim_before"]) == pytest.approx(tuple(before), abs=1e-4)
        assert (row["psnr_after"], row["ssim_after"]) == pytest.approx(tuple(after), abs=1e-4)
        assert (
            f"PSNR {before.psnr:.2f} -> {after.psnr:.2f} dB (peak 255), SSIM {before.ssim:.4f} -> {after.ssim:.4f}"
            in err
        )

    def test_infinite_psnr_is_null_in_json_and_inf_for_people(self, run):
        code, out, err = run("in.png", "-o", "out.png", "-l", "0", "--reference", "in.png", "--json")
        row = json.loads(out)
        assert row["psnr_before"] is row["psnr_after"] is None
        assert row["ssim_after"] == 1
        assert "PSNR inf -> inf dB" in err

    def test_reference_of_a_tiny_picture_has_no_ssim(self, run):
        np.save("tiny.npy", np.eye(5))
        code, out, err = run("tiny.npy", "-o", "out.npy", "-l", "0.1", "--reference", "tiny.npy", "--json")
        row = json.loads(out)
        assert row["ssim_after"] is None
        assert row["psnr_after"] > 0
        assert "SSIM" not in err

    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_reference_is_compared_as_it_is_shown(self, run, noisy, dtype):
        """Whether 0 is black or white (TIFF's MinIsWhite) in either of the two."""
        white = 255 if dtype == np.uint8 else 1
        for name, pixels in (("n", noisy), ("c", np.sort(noisy))):
            black = (pixels / 255 * white).astype(dtype)
            tifffile.imwrite(f"{name}b.tif", black, photometric="minisblack")
            tifffile.imwrite(f"{name}w.tif", white - black, photometric="miniswhite")
        options = ("-l", "0.05", "--json", "-o", "out.tif", "--overwrite", "--reference")
        expected, *others = (json.loads(run(f"n{n}.tif", *options, f"c{c}.tif")[1]) for n in "bw" for c in "bw")
        for row in others:
            for key in ("psnr_before", "psnr_after", "ssim_before", "ssim_after"):
                assert row[key] == pytest.approx(expected[key], rel=1e-3)

    def test_float_reference_is_scaled_like_the_noisy_floats(self, run, noisy):
        f = noisy.astype(np.float32)
        np.save("f.npy", f)
        np.save("g.npy", np.clip(f, 20, 200))
        code, out, _ = run("f.npy", "-o", "out.npy", "-l", "0", "--reference", "g.npy", "--json")
        span = float(f.max() - f.min())
        expected = quality(np.clip(f, 20, 200) / span, f / span)
        assert json.loads(out)["psnr_before"] == pytest.approx(expected.psnr, abs=1e-3)
        assert json.loads(out)["range"] == [f.min(), f.max()]

    def test_quiet_and_verbose(self, run, noisy):
        assert run("in.png", "-o", "out.png", "-l", "0.1", "-q") == (0, "", "")
        code, out, err = run("in.png", "-o", "out.png", "-l", "0.1", "-v", "--overwrite")
        assert f"PNG 48x40 gray, axes YX, uint8 from {noisy.min()} to {noisy.max()}, range 0..255, " in err
        assert re.search(r"energy \d+\.\d+, gap \S+, anisotropic", err)

    def test_running_out_of_steps_is_said(self, run):
        code, out, err = run("in.png", "-o", "out.png", "-l", "0.1", "--max-steps", "3")
        assert code == 0
        assert err.endswith("\nstopped at the step limit, before the tolerance 0.001: allow more --max-steps\n")

    def test_colour(self, run, noisy):
        colour = np.stack([noisy, noisy[::-1], 255 - noisy], axis=2)
        Image.fromarray(colour).save("c.png")
        code, out, err = run("c.png", "-o", "out.png", "-l", "0.1", "-v")
        assert "48x40 RGB" in err
        assert np.array_equal(np.asarray(Image.open("out.png")), denoise(colour, 0.1).image)

    def test_stack_with_axes_and_numbers_that_are_not_finite(self, run, noisy):
        """Each page for itself, with figures of its own; NaN is refused, or kept and denoised around."""
        stack = np.stack([noisy / 255, noisy[::-1] / 255, np.full(noisy.shape, 0.5)])
        stack[0, 3, 4] = np.nan
        np.save("stack.npy", stack)
        arguments = ["stack.npy", "-o", "out.npy", "-l", "0.1", "--axes", "ZYX", "--json"]
        code, out, err = run(*arguments)
        assert (code, json.loads(out)["status"]) == (1, "failed")
        assert "1 of its values are not finite (NaN or infinite), the first at (0, 3, 4)" in err
        code, out, err = run(*arguments, "--nonfinite", "keep", "-v")
        row, result = json.loads(out), np.load("out.npy")
        alone = [denoise(page, 0.1) for page in stack[1:]]
        assert np.array_equal(result[1:], [one.image for one in alone])
        assert np.argwhere(np.isnan(result)).tolist() == [[0, 3, 4]]
        assert [page["steps"] for page in row["pages"][1:]] == [one.steps for one in alone]
        assert row["energy"] == pytest.approx(sum(page["energy"] for page in row["pages"]))
        assert row["rms_bound"] == max(page["rms_bound"] for page in row["pages"])
        assert "48x40 gray, 3 pages" in err

    @pytest.mark.parametrize("nodata", [-9999.0, np.finfo("f4").min, 0.0, np.nan])
    @pytest.mark.parametrize("is_tag", [True, False])
    def test_pixels_without_data_are_treated_as_nan_is(self, run, noisy, nodata, is_tag):
        """In the range, in the solution, in what is written, and in what is measured."""
        clean = 100 + 10 * np.float32(noisy)
        heights = clean.copy()
        heights[5:12, 7:20] = nodata
        heights[30, 30] = nodata
        gaps = heights != clean
        tifffile.imwrite("nan.tif", np.where(gaps, np.float32(np.nan), heights))
        np.save("clean.npy", clean)
        tag = (42113, 2, 0, repr(float(nodata)), True)
        tifffile.imwrite("a.tif", heights, extratags=[tag] if is_tag else [])
        options = ["-l", "0.1", "--json", "--reference", "clean.npy"]
        _, expected, _ = run("nan.tif", "-o", "x.tif", *options, "--nonfinite", "keep")
        options += [] if is_tag else ["--nodata", f"{nodata:.17g}"]
        code, out, err = run("a.tif", "-o", "b.tif", *options)
        assert (code, "no data" in err) == (0, False)
        result = tifffile.imread("b.tif")
        assert np.array_equal(result[gaps].view("u4"), heights[gaps].view("u4"))
        assert np.array_equal(result[~gaps], tifffile.imread("x.tif")[~gaps])
        names = ("lambda", "energy", "rms_bound", "psnr", "ssim", "range")
        rows = [json.loads(text) for text in (expected, out)]
        assert [rows[0].get(name) for name in names] == [rows[1].get(name) for name in names]

    @pytest.mark.parametrize(("dtype", "mark"), [("f4", -9999), ("f4", -3.4e38), ("f8", 9.96921e36), ("i2", -32768)])
    def test_a_number_far_from_all_others_may_stand_for_no_data(self, run, noisy, dtype, mark):
        heights = 1000 + noisy.astype(dtype)
        np.save("all.npy", heights)
        np.save("flat.npy", np.full_like(heights, 1000))
        heights[:9] = mark
        np.save("some.npy", heights)
        options = ["-o", "out.npy", "--overwrite", "-l", "0.1"]
        _, _, err = run("some.npy", *options)
        hint = re.search(r"many of its pixels are .*, far from all others: if it stands for no data, say (.*)\n", err)
        assert hint, err
        for others in (["all.npy"], ["flat.npy"], ["some.npy", *hint[1].split()]):
            assert "no data" not in run(*others, *options)[2]
        assert np.array_equal(np.load("out.npy")[:9], heights[:9])

    def test_integers_without_data_in_every_conversion(self, run):
        """No pixel with data becomes one without by rounding; arrays of floats have NaN there."""
        depth = np.random.default_rng(0).integers(1, 3, (20, 30)).astype("u2")
        depth[3:6, 3:9] = 0
        tifffile.imwrite("a.tif", depth, extratags=[(42113, 2, 0, "0", True)])
        for name in ("b.tif", "b.png", "b.npy"):
            code, _, _ = run("a.tif", "-o", name, "-l", "1", "--range", "0,65535", "--allow-loss")
            assert code == 0
        assert np.array_equal(tifffile.imread("b.tif") == 0, depth == 0)
        assert np.array_equal(np.asarray(Image.open("b.png")) == 0, depth == 0)
        assert np.array_equal(np.isnan(np.load("b.npy")), depth == 0)
        code, _, err = run("a.tif", "-o", "c.tif", "--nodata", "none")
        assert (code, "--nodata: 'none' is no number; give such as -9999, 0 or nan" in err) == (2, True)
        _, out, _ = run("info", "a.tif")
        assert "no data at 0" in out

    @pytest.mark.parametrize("ending", ["tif", "npy"])
    def test_pages_that_are_not_chosen_come_back_as_they_were(self, run, noisy, ending):
        """In another format too, which has numbers of its own."""
        stack = np.stack([noisy, noisy[::-1], noisy // 2, noisy // 4])
        tifffile.imwrite("stack.tif", stack, photometric="minisblack")
        _, out, err = run("stack.tif", "-o", f"out.{ending}", "-l", "0.2", "--pages", "1,3-4", "--json")
        row, result = json.loads(out), (tifffile.imread if ending == "tif" else np.load)(f"out.{ending}")
        assert row["pages_given"] == "1,3-4"
        assert "pages 1,3-4 of 4 pages, smoothed at lambda 0.2 in " in err
        only = run("stack.tif", "-o", f"one.{ending}", "-l", "0.2", "--pages", "2")[2]
        assert "page 2 of 4 pages, smoothed at lambda 0.2 in " in only
        assert len(row["pages"]) == 3
        assert np.array_equal(result[1], stack[1] if ending == "tif" else np.float32(stack[1]) / 255)
        for number in (0, 2, 3):
            page = stack[number] if ending == "tif" else np.float32(stack[number]) / 255
            assert np.array_equal(result[number], denoise(page, 0.2).image)

    def test_a_chosen_page_has_all_its_channels(self, run, noisy):
        stack = np.stack([np.stack([noisy, noisy[::-1]]), np.stack([noisy // 2, noisy // 4])])
        tifffile.imwrite("zc.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
        _, out, _ = run("zc.tif", "-o", "out.tif", "--pages", "2", "-l", "0.2", "--json")
        result = tifffile.imread("out.tif")
        assert np.array_equal(result[0], stack[0])
        assert np.array_equal(result[1], [denoise(channel, 0.2).image for channel in stack[1]])
        assert len(json.loads(out)["pages"]) == 2
        code, _, err = run("zc.tif", "-o", "none.tif", "--pages", "1-3", "-l", "0.2")
        assert (code, err) == (1, "tvdenoise: zc.tif: there is no page 3, the last is 2; leave it out of --pages\n")
        assert not Path("none.tif").exists()

    def test_strength_multiplies_what_is_chosen(self, run):
        chosen, more = (
            json.loads(run("in.png", "-o", "a.png", "--overwrite", "--strength", s, "--json")[1]) for s in ("1", "1.5")
        )
        assert more["weight"] == pytest.approx(1.5 * chosen["weight"])
        assert (chosen["strength"], more["strength"]) == (1, 1.5)
        assert more["risk"] > chosen["risk"]
        line = f"lambda {more['weight']:.4g} (1.5 times the choice) by SURE for noise of sigma "
        assert line in run("in.png", "-o", "b.png", "--strength", "1.5", "-v")[2]

    def test_the_reference_has_a_range_and_axes_of_its_own(self, run, noisy):
        """Those that are given say nothing of numbers of another type, and of axes that a format fixes."""
        clean = np.sort(noisy)
        tifffile.imwrite("in.tif", noisy.astype(np.uint16) * 16)
        tifffile.imwrite("clean.tif", clean.astype(np.uint16) * 16)
        options = ["in.tif", "-o", "out.tif", "--overwrite", "-l", "0.1", "--json", "--range", "0,4080", "--axes", "YX"]
        for command in (options, ["sweep", "in.tif", *options[4:]]):
            eight, sixteen = (
                json.loads(run(*command, "--reference", name)[1])["psnr_after"] for name in ("clean.png", "clean.tif")
            )
            assert eight == pytest.approx(sixteen, abs=1e-3)

    def test_memory_is_that_of_what_is_solved_together(self, run, here):
        np.save("stack.npy", np.zeros((8, 40, 48)))
        pages, volume = (
            json.loads(run("info", "stack.npy", "--axes", "ZYX", *said, "--json")[1]) for said in ([], ["--volume"])
        )
        assert volume["memory"] > pages["memory"] + 7 * 40 * 48 * 8

    def test_pages_of_several_ranges(self, run, noisy):
        """No page is told on the range of another."""
        with tifffile.TiffWriter("in.tif") as writer:
            for pixels in (noisy * 4.0, noisy / np.float32(255), noisy.astype(np.uint16) * 257):
                writer.write(pixels.astype(np.float32 if pixels.dtype == float else pixels.dtype))
        code, out, err = run("in.tif", "-o", "out.tif", "--json", "--reference", "in.tif", "-v")
        row = json.loads(out)
        assert code == 0
        assert [page["range"] for page in row["pages"]] == [
            [float(noisy.min()) * 4, float(noisy.max()) * 4],
            [0, 1],
            [0, 65535],
        ]
        assert row["range"] == row["pages"][0]["range"]
        sigmas = " / ".join(f"{page['sigma']:.3g}" for page in row["pages"])
        assert f"for noise of sigma {sigmas} of the range of each, " in err
        assert re.search(r"-> out\.tif: 3 pages, noise of sigma 0\.\d+ to 0\.\d+ of the range of each removed in ", err)
        assert "(each page by its own range)" in err
        assert "pages of other type and range too" in run("info", "in.tif")[1]

    def test_volume_couples_the_slices(self, run, noisy):
        """Z of any stack, the only axis of one that tells nothing of it; never time."""
        stack = np.stack([noisy / 255, noisy[::-1] / 255, noisy / 510])
        np.save("stack.npy", np.stack([stack, 1 - stack], axis=1))
        arguments = ["stack.npy", "-o", "out.npy", "-l", "0.1", "--volume", "--json", "--overwrite"]
        code, out, err = run(*arguments, "--axes", "ZTYX")
        row, alone = json.loads(out), [denoise(one, 0.1, volume=True) for one in (stack, 1 - stack)]
        assert row["volume"] is True
        assert [page["energy"] for page in row["pages"]] == [one.energy for one in alone]
        assert np.array_equal(np.load("out.npy"), np.stack([one.image for one in alone], axis=1))
        code, out, err = run(*arguments, "--axes", "ZTYX", "--spacing", "2.5")
        row, apart = json.loads(out), denoise(stack, 0.1, volume=True, spacing=2.5)
        assert row["spacing"] == 2.5
        assert np.array_equal(np.load("out.npy")[:, 0], apart.image)
        micrograph, metadata = stack.astype(np.float32), {"axes": "ZYX", "spacing": 0.5}
        tifffile.imwrite("zc.tif", micrograph, imagej=True, resolution=(5, 5), metadata=metadata)
        assert "slices 2.5 pixels apart" in run("info", "zc.tif")[1]
        for options, expected in (((), 2.5), (("--spacing", "1"), 1)):
            row = json.loads(run("zc.tif", "-o", "zc.npy", *arguments[3:], *options)[1])
            assert row["spacing"] == pytest.approx(expected)
            one = denoise(micrograph, 0.1, volume=True, spacing=expected)
            assert np.load("zc.npy") == pytest.approx(one.image, abs=1e-5)
        tifffile.imwrite("yx.tif", micrograph, imagej=True, resolution=(10, 5), metadata=metadata)
        assert "slices 5 pixels apart, rows 2 pixels apart" in run("info", "yx.tif")[1]
        for name, options, expected in (
            ("yx.tif", ["--volume"], [5, 2, 1]),
            ("yx.tif", [], [2, 1]),
            ("yx.tif", ["--volume", "--spacing", "3"], [3, 2, 1]),
            ("yx.tif", ["--spacing", "1,1"], None),
            ("in.png", ["--spacing", ".3,.1"], [3, 1]),
        ):
            row = json.loads(run(name, "-o", "y.npy", "-l", "0.1", "--json", "--overwrite", *options)[1])
            assert row["spacing"] == (expected and pytest.approx(expected))
            assert row["rms_bound"] <= row["tol"]
        code, out, err = run(*arguments, "--axes", "TPYX")
        assert "stack.npy: none of its axes TPYX is known to be the depth of a volume; call it Z, such as" in err
        assert code == 1

    def test_info_tells_what_is_read(self, run, noisy):
        code, out, err = run("info", "in.png", "none.png")
        assert code == 2
        what = rf"uint8 from {noisy.min()} to {noisy.max()}, range 0\.\.255"
        assert re.fullmatch(rf"in\.png: PNG 48x40 gray, axes YX, {what}, 1 MiB to denoise on \w+\n", out)
        assert err == "tvdenoise: none.png: there is no such file; check the path\n"
        facts = json.loads(run("info", "--json", "in.png")[1])
        assert (facts["format"], facts["shape"], facts["pages"]) == ("PNG", [40, 48], 1)

    def test_levels_of_16_bits_are_said_in_full(self, run, noisy):
        levels = noisy.astype(np.uint16) * 257
        Image.fromarray(levels).save("a.png")
        Image.fromarray(levels ^ 0x4321).save("b.png")
        assert "noise of sigma 1000 of 65535 removed" in run("a.png", "-o", "out.png", "--sigma", "999.7")[2]
        largest = np.abs(levels.astype(int) - (levels ^ 0x4321)).max()
        assert f"largest difference {largest} " in run("compare", "a.png", "b.png")[1]

    def test_white_elsewhere_than_at_the_end_of_the_type(self, run, noisy):
        for name, factor in (("dim.png", 16), ("full.png", 257)):
            Image.fromarray(noisy.astype(np.uint16) * factor).save(name)
        hint = "no value above 4095 of 65535: if that is its white, say --range 0,4095"
        for options, is_told in (
            (["-l", "0.1"], True),
            (["-l", "0.1", "-v"], True),
            (["--sigma", "25/255"], True),
            (["-l", "0.1", "-q"], False),
            (["-l", "0.1", "--range", "0,4095"], False),
            ([], False),
        ):
            _, _, err = run("dim.png", "-o", "out.png", "--overwrite", *options)
            assert err.count(hint) == is_told
            assert hint not in run("full.png", "-o", "out.png", "--overwrite", *options)[2]
        assert hint in run("dim.png", "-o", "out.png", "--overwrite", "--reference", "dim.png")[2]
        assert hint in run("dim.png", "-o", "out.jpg", "--allow-loss")[2]  # 16 of its 256 gray levels
        assert f"dim.png: {hint}\n" in run("compare", "dim.png", "dim.png")[2]
        assert hint not in run("compare", "dim.png", "dim.png", "--range", "0,4095")[2]
        np.save("eleven.npy", np.minimum(noisy.astype(np.uint16) * 8, 2000))
        assert "no value above 4095 of 65535" in run("info", "eleven.npy")[1]
        np.save("signed.npy", noisy.astype(np.int16) - 100)
        assert "if that is its white" not in run("info", "signed.npy")[1]
        assert f"1 picture: {hint}\n" in run("dim.png", "full.png", "-o", "many/", "-l", "0.1")[2]

    def test_info_tells_what_there_is(self, run):
        code, out, err = run("info")
        assert (code, err) == (0, "")
        assert re.fullmatch(
            rf"versions: tvdenoise {re.escape(__version__)}, torch \d\S+, .*\n"
            r"devices: cpu \(\d+ threads\).*\nformats: PNG \(\.png \.apng\), .*\n",
            out,
        )
        assert set(json.loads(run("info", "--json")[1])) == {"versions", "devices", "formats"}

    def test_range_sets_black_and_white(self, run, noisy):
        np.save("deep.npy", noisy.astype(np.uint16) * 16)
        run("deep.npy", "-o", "out.npy", "-l", "0.1", "--range", "0,4080")
        difference = np.load("out.npy") / 16 - denoise(noisy, 0.1).image
        assert np.abs(difference).max() <= 0.6  # half a step of 8 bits, and half of one of 12

    def test_lambda_is_said_with_the_range_that_floats_were_scaled_by(self, run, noisy):
        """Such as of small physical units; a picture from 0 to 1 needs no word."""
        for factor, said in ((1e-17, "lambda 0.1 of 1e-17 in "), (1, "lambda 0.1 in ")):
            image = noisy.astype(np.float64)
            np.save("in.npy", factor * (image - image.min()) / np.ptp(image))
            assert f"smoothed at {said}" in run("in.npy", "-o", "out.npy", "-l", "0.1", "--overwrite")[2]

    def test_without_arguments_prints_the_help_on_a_terminal(self, run, monkeypatch):
        code, out, err = run("--help")
        assert (code, err) == (0, "")
        assert "--lambda" in out
        assert run("-h") == (0, out, "")
        assert run()[:2] == (2, "")  # or a file would hold it instead of a picture
        assert "Usage: tvdenoise [OPTIONS] " in out
        assert "Usage: tvdenoise info [OPTIONS] " in run("info", "-h")[1]
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        assert run()[0] == 0

    def test_version(self, run):
        assert run("--version") == run("version") == (0, f"tvdenoise {__version__}\n", "")

    def test_help_is_a_word_too_where_no_file_is_called_so(self, run, here):
        assert run("help") == run("--help")
        assert run("help", "sweep") == run("sweep", "--help")
        (here / "help").mkdir()
        assert "help: there is no picture in it" in run("help")[2]

    def test_the_help_shows_no_types_of_python(self, run):
        for command in ([], ["info"], ["compare"], ["sweep"], ["report"]):
            assert not re.search(r"list\[|<bool>|<path>|Path\b", run(*command, "--help")[1])

    def test_names_are_read_in_any_case(self, run):
        words = (
            "--tv",
            "Isotropic",
            "--color",
            "RGB",
            "--optimizer",
            "FISTA",
            "--device",
            "CPU",
            "--nonfinite",
            "Keep",
            "--jobs",
            "Auto",
        )
        row = json.loads(run("in.png", "-o", "a.png", "-l", "Auto", "--preset", "Best", *words, "--json", "-q")[1])
        assert (row["criterion"], row["tv"], row["color"], row["optimizer"]) == ("sure", "isotropic", "rgb", "fista")
        grid = ("--tv", "Isotropic", "--optimizer", "Fista,fista", "--noise", "Gaussian:0.1", "-l", "AUTO")
        (row,) = run("sweep", "in.png", *grid, "--max-steps", "1", "--json", "-q")[1].splitlines()
        assert (json.loads(row)["optimizer"], json.loads(row)["noise"]) == ("fista", "gaussian:0.1")

    def test_sigma_may_be_a_percentage_of_the_range(self, run):
        row = json.loads(run("in.png", "-o", "a.png", "--sigma", "8%", "--max-steps", "1", "--json", "-q")[1])
        assert row["sigma"] == pytest.approx(0.08)

    def test_what_follows_two_hyphens_is_a_file(self, run, here):
        (here / "-tv").write_bytes((here / "in.png").read_bytes())
        assert run("-n", "--", "-tv")[1] == "-tv -> -tv_denoised\n"


BAD = [
    ("none.png -o out.png -l 0.1", 2, r"none\.png: there is no such file; check the path"),
    ("folder -o out.png -l 0.1", 2, r"out\.png: it ends as a picture does"),
    ("folder -l 0.1", 2, r"folder: there is no picture in it \(\.png, .*--recursive"),
    ("folder -r -l 0.1", 2, r"folder: there is no picture in it or its subfolders \(\.png"),
    ("none folder -o new -l 0.1", 2, r"none: there is no such file"),
    ("in.png clean.png -o text.png -l 0.1", 2, r"text\.png: it is a file"),
    ("in.png clean.png -o - -l 0.1", 2, r"-: standard output holds one picture"),
    ("in.png - -o new/ -l 0.1", 2, r"-: standard input is one picture"),
    ("-l 0.1", 2, r"INPUT: there is none; name a picture or a folder"),
    ("--files-from none -l 0.1", 2, r"none: it cannot be read"),
    ("in.png clean.png --shard 3/2 -o new/ -l 0.1", 2, r"--shard: '3/2'"),
    ("in.png -o out.png --shard 1/2 -l 0.1", 2, r"out\.png: it ends as a picture does"),
    ("in.png -o out.png --scheduler local -l 0.1", 2, r"out\.png: it ends as a picture does"),
    ("in.png -o scan -l 0.1", 2, r"scan: it is a file, and a name without an ending is that of a folder; name another"),
    ("- -o new -l 0.1", 2, r"new: it is no folder and has no ending; end it in one of \.png, .*, or in / for a folder"),
    ("in.png clean.png -o new/ --shard=", 2, "--shard: '' is not part K of N"),
    (f"in.png clean.png -o new/ --shard 1/{'9' * 20}", 2, "--shard: "),
    (f"in.png clean.png -o new/ --jobs {'9' * 20}", 2, "--jobs: "),
    ("sweep in.png --strength ,", 2, r"--strength: the list is empty; leave it out"),
    ("sweep in.png --no", 2, r"No such option: --no.*; see tvdenoise sweep --help"),
    ("--files-from empty.png -o new/", 2, r"empty\.png: it lists no picture"),
    ("in.png clean.png --jobs 0 -o new/ -l 0.1", 2, r"--jobs: '0'"),
    ("in.png clean.png --jobs 3 --memory 300M -o new/ -l 0.1", 2, r"--memory: 300M is too little for 3 at once"),
    ("in.png clean.png --jobs 10000 -o new/ -l 0.1", 2, r"--jobs: 10000 at once need \d+M, and half of what is free"),
    ("in.png --suffix a/b -l 0.1", 2, r"--suffix: 'a/b'"),
    ("in.png --suffix _a -o out.png -l 0.1", 2, r"--suffix: the result has a name of its own"),
    ("in.png --pages 0", 2, r"--pages: '0' is no list of numbers from 1 on; give such as 1,4-6"),
    ("in.png --pages 3-2", 2, r"--pages: '3-2' is no list of numbers from 1 on"),
    ("in.png --pages 1,", 2, r"--pages: '1,' is no list of numbers from 1 on"),
    ("in.png --strength 0", 2, r"--strength: '0' is not a number from 0\.01 to 100; 1\.5 is smoother"),
    ("in.png --strength 2 -l 0.1", 2, r"--strength: it is for a chosen lambda, and lambda is given"),
    ("- --json -l 0.1", 2, r"--json: the picture goes to standard output itself"),
    ("in.png clean.png --reference none -o new/ -l 0.1", 2, r"none: there is no such reference"),
    ("text.png -o out.png -l 0.1", 1, r"text\.png: it is not a picture .*; give a PNG"),
    ("empty.png -o out.png -l 0.1", 1, r"empty\.png: the file is empty"),
    ("truncated.jpg -o out.png -l 0.1", 1, r"truncated\.jpg: the JPEG file is damaged .*truncated.*; get a whole copy"),
    (
        "nan.npy -o out.npy -l 0.1",
        1,
        r"nan\.npy: 1 of its values are not finite.*; replace them, or .* --nonfinite keep",
    ),
    ("in.png -o out.png -l -0.1", 2, r"--lambda: '-0\.1' is neither a number from 0 to .* nor auto"),
    ("in.png -o out.png -l nan", 2, r"--lambda: 'nan' is neither a number from 0 to .* nor auto"),
    ("in.png -o out.png -l 1e10", 2, r"--lambda: '1e10' is neither a number from 0 to 1e\+09"),
    ("in.png -o out.png -l abc", 2, r"--lambda: 'abc' is neither .*; give such as 0\.1, or 25/255"),
    ("in.png out.png -l 0.1", 2, r"out\.png: there is no such file; check the path, or put -o before the name"),
    ("in.png -o out.png --memory lots", 2, r"--memory: 'lots' is not a size; give such as 4G or 800M"),
    ("in.png -o out.png --memory 10M", 2, r"--memory: 10M is hardly more than the program itself takes; give at least"),
    ("in.png -o out.png --sigma abc", 2, r"--sigma: 'abc' is not a number from 0 .*; give such as 25/255"),
    ("in.png -o out.png --sigma 25/0", 2, r"--sigma: '25/0' is not a number"),
    ("in.png -o out.png --sigma -1/255", 2, r"--sigma: '-1/255' is not a number"),
    (
        "in.png -o out.png --sigma 0.1",
        2,
        r"--sigma: noise of 0\.1 is less than the rounding of whole numbers; a fraction",
    ),
    ("in.png -o out.png --spacing 2", 2, r"--spacing: it is for the slices of a volume; leave it out, take them as"),
    ("in.png -o out.png --spacing 2,x", 2, r"--spacing: 'x' is not a finite number above 0; give the distance"),
    ("in.png -o out.png --spacing 1,0", 2, r"--spacing: '0' is not a finite number above 0; give the distance"),
    ("in.png -o out.png --spacing 100,0.01", 2, r"--spacing: 100 is not 0\.01 to 1000 times the last distance, 0\.01;"),
    ("in.png -o out.png --spacing 1,1,1,1", 2, r"--spacing: .* are not two or three numbers above 0; give the"),
    ("in.png -o out.png --volume --spacing 1,2", 2, r"--spacing: a volume has three axes; give such as 2\.5, or 0\.5"),
    (
        "in.png -o out.png --volume --spacing 0",
        2,
        r"--spacing: '0' is not a number from 0\.01 to 1000; give the",
    ),
    ("in.png -o out.png --volume", 1, r"in\.png: a single picture has no depth; leave out --volume"),
    ("in.png -o out.png -l 0.1 --sigma 25", 2, r"--sigma: it is for choosing lambda, and lambda is given"),
    ("in.png -o out.png --color hsv", 2, r"Invalid value for '--color': 'hsv' is not one of .*'opponent'.*'; see"),
    ("cmyk.tif -o out.tif -l 0.1 --color opponent", 1, r"cmyk\.tif: it has CMYK, not red, green and blue; use --color"),
    ("in.png -o out.png -l 0.1 --tv total", 2, r"'--tv'.*total.*anisotropic"),
    ("in.png -o out.png -l 0.1 --optimizer adan", 2, r"--optimizer: 'adan' is unknown; did you mean adam\?"),
    ("in.png -o out.png -l 0.1 --optimizer muon", 2, r"--optimizer: muon is not offered, it takes one matrix"),
    ("in.png -o out.png -l 0.1 --lr 0", 2, r"--lr: '0' is not"),
    ("in.png -o out.png -l 0.1 --tol 0", 2, r"--tol: '0' is not"),
    ("in.png -o out.png -l 0.1 --max-steps 0", 2, r"--max-steps: 0 is not"),
    ("in.png -o out.png -l 0.1 --device gpu:x", 2, r"--device cuda:x: torch knows no such device; use auto or cpu"),
    ("in.png -lambda 0.1", 2, r"-lambda: a long option has two hyphens; write --lambda"),
    ("sweep in.png -tv=isotropic", 2, r"-tv: a long option has two hyphens; write --tv"),
    ("in.png --best", 2, r"there is no option --best, it is called --preset best here; see tvdenoise --help"),
    ("in.png -R", 2, r"there is no option -R, it is called --recursive here; see tvdenoise --help"),
    ("sweep in.png --weight 0.1", 2, r"no option --weight, it is called --lambda here; see tvdenoise sweep --help"),
    ("in.png --sigma 10%%", 2, r"--sigma: '10%%' is not a number"),
    ("in.png 0.1", 2, r"0\.1: there is no such file; check the path, or write values behind their option, with commas"),
    ("sweep in.png --lambda 0.1 25/255", 2, r"25/255: there is no such file; .* with commas: --lambda 0\.1,0\.2"),
    ("sweep in.png --tv isotropic anisotropic", 2, r"anisotropic: there is no such file; .* with commas"),
    ("sweep in.png --lambda 0.1-0.5", 2, r"--lambda: '0\.1-0\.5' is neither a number nor such a range; .* 0\.01:1:12"),
    ("sweep in.png --noise 25", 2, r"--noise: '25' is unknown; choose from gaussian, .*, such as gaussian:25/255"),
    ("in.png -o out.png -l 0.1 --device cuda", 2, r"--device cuda: torch finds no such device .*; use auto or cpu"),
    ("in.png -o clean.png -l 0.1", 2, r"clean\.png: it exists; .*--overwrite"),
    ("in.png -o in.png -l 0.1 --overwrite", 2, r"in\.png: it is a file this run reads"),
    ("in.png -o clean.png -l 0.1 --overwrite --reference clean.png", 2, r"clean\.png: it is a file this run reads"),
    ("in.png -o none/out.png -l 0.1", 2, r"none/out\.png: its folder none is missing; create it"),
    ("in.png -o /proc/out.png -l 0.1", 2, r"/proc/out\.png: its folder /proc cannot be written to"),
    ("in.png -o in.png/out.png -l 0.1", 2, r"in\.png/out\.png: in\.png is a file, not a folder; choose another folder"),
    ("in.png -o loop.png -l 0.1", 2, r"loop\.png: it cannot be reached \(Too many levels of symbolic links\); choose"),
    ("loop.png -l 0.1", 2, r"loop\.png: it cannot be reached \(Too many levels of symbolic links\); check"),
    (f"in.png -o {'x' * 252}.png -l 0.1", 2, r"x\.png: it cannot be reached \(File name too long\); choose"),
    (f"in.png -o {'x/' * 2200}x.png -l 0.1", 2, r"x\.png: it cannot be reached \(File name too long\); choose"),
    (f"{'x' * 252}.png -l 0.1", 2, r"x\.png: it cannot be reached \(File name too long\); check"),
    (f"in.png --reference {'x' * 252}.png", 2, r"x\.png: it cannot be reached \(File name too long\); check"),
    (f"info {'x' * 252}.png", 2, r"x\.png: it cannot be reached \(File name too long\); check"),
    ("/dev/zero -l 0.1", 2, r"/dev/zero: it is not a file; name a picture file"),
    ("none -l 0.1", 2, r"none: there is no such file; check the path"),
    ("swep in.png", 2, r"swep: there is no such file; did you mean the command sweep\?"),
    (
        "in.png -o out.png -f tiff",
        2,
        r"out\.png: its ending says PNG, but --format says TIFF; end it in \.tif, or leave",
    ),
    ("in.png -o - --json", 2, r"--json: the picture goes to standard output itself; name a file with --output"),
    ("in.png -o out.xyz -l 0.1", 2, r"out\.xyz: its ending '\.xyz' names no format"),
    ("in.png -o out.png -l 0.1 -f xyz", 2, r"--format: 'xyz' is unknown; choose from png, "),
    ("in.png -o out.png -l 0.1 --range 3,1", 2, r"--range: '3,1' is not two finite numbers"),
    ("float.npy -o out.npy -l 0.1 --axes ZYX", 2, r"--axes: ZYX does not name the 2 axes"),
    (
        "in.png -o out.png -l 0.1 --optimizer adam --lr 1e300",
        2,
        r"--lr: '1e300' is not a number above 0 and at most 1e\+10",
    ),
    *(
        (f"{name} -o out.npy -l 0.1{option}", 1, rf"{name}: {said} is too wide or too narrow a range .*; give another")
        for name, option, said in [
            ("in.png", " --range=-1e308,1e308", r"-1e\+308\.\.1e\+308"),
            ("in.png", " --range 0,1e308", r"0\.\.1e\+308"),
            ("in.png", " --range 0,1e-320", r"0\.\.9\.\S+e-321"),
            ("in.png", " --range 0,1e-45", r"0\.\.1e-45"),
            ("in.png", " --range 0,1e-30", r"0\.\.1e-30"),
            ("wide.npy", "", r"-3\.4e\+38\.\.3\.4e\+38"),
        ]
    ),
    (
        "exif.jpg -o out.bmp",
        2,
        r"out\.bmp: a BMP file would lose EXIF; end it in \.tif or \.png or \.jpg, or say --allow-loss",
    ),
    ("info ./-", 2, r"/-: there is no such file; check the path"),
    ("info float.npy --axes ZYX", 2, r"--axes: ZYX does not name the 2 axes"),
    (
        "in.png -o out.png --axes YX",
        2,
        r"in\.png: the axes of a PNG file are fixed, --axes is for TIFF, .*; leave --axes",
    ),
    (
        "in.png -o out.png -l 0.1 --max-pixels 100",
        1,
        r"in\.png: its header promises 48x40 pixels, more than 100",
    ),
    ("in.png -o out.png -l 0.1 --max-pixels 0", 2, r"--max-pixels: 0 is not"),
    ("in.png -o out.jpg -l 0.1 --quality 0", 2, r"--quality: 0 is not between 1 and 100"),
    ("cells.czi", 1, r"cells\.czi: it is a file of CZI \(Zeiss\), which is not read; convert it, and give a"),
    (
        "in.png -o out.png -l 0.1 --reference small.png",
        1,
        r"small\.png: its shape 3x3x1 is not the input's",
    ),
    ("in.png -o out.png -l 0.1 --reference none.png", 2, r"none\.png: there is no such reference"),
    (
        "in.png -o out.png -l 0.1 --optimizer sgd --lr 1e10",
        1,
        r"in\.png: sgd left the finite .*; lower the rate",
    ),
    ("float.npy -o out.png -l 0.1", 2, r"out\.png: a PNG file would lose the depth of float64 values; .*--allow-loss"),
    ("in.png clean.png -o out.png -l 0.1", 2, r"out\.png: it ends as a picture does"),
    ("in.png -o out.png -l 0.1 --lamda 3", 2, r"--lamda.*--lambda.*; see tvdenoise --help"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=[arguments for arguments, _, _ in BAD])
def test_bad_input_ends_in_one_line_and_nothing_else(arguments, code, message, run, here, noisy):
    if "--device" in arguments and "cuda" in arguments:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("there is one here")
    (here / "folder").mkdir()
    (here / "loop.png").symlink_to("loop.png")
    (here / "text.png").write_text("not a picture")
    (here / "scan").touch()
    (here / "empty.png").touch()
    (here / "cells.czi").write_bytes(b"ZISRAWFILE" + bytes(200))
    Image.fromarray(noisy).save("whole.jpg")
    (here / "truncated.jpg").write_bytes((here / "whole.jpg").read_bytes()[:-200])
    bad = np.zeros((4, 4))
    bad[1, 2] = np.nan
    np.save("nan.npy", bad)
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.fromarray(noisy).save("exif.jpg", exif=exif)
    np.save("wide.npy", np.array([[-3.4e38, 3.4e38], [0, 1]], np.float32))
    np.save("float.npy", np.zeros((4, 4)))
    Image.new("CMYK", (8, 8)).save("cmyk.tif")
    Image.fromarray(noisy[:3, :3]).save("small.png")
    before = {path: path.read_bytes() for path in here.iterdir() if path.is_file()}
    result, out, err = run(*arguments.split())
    assert (result, out) == (code, "")
    assert re.fullmatch(rf"tvdenoise: .*{message}.*\n", err)
    assert {path: path.read_bytes() for path in here.iterdir() if path.is_file()} == before


def test_damage_that_a_library_can_handle_is_said_or_refused(run, here, noisy):
    here.joinpath("in").mkdir()
    Image.fromarray(noisy).save("in/a.jpg", progressive=True)
    content = Path("in/a.jpg").read_bytes()
    Path("in/a.jpg").write_bytes(content[:-11] + content[-2:])
    line = r"in/a\.jpg: a stricter decoder \(libjxl\) refuses its scans: parts of the picture may be wrong"
    for source in ("in", "in/a.jpg"):
        code, _, err = run(source, "-o", "out/", "-l", "0", "-j", "1", "--overwrite")
        assert code == 0
        assert re.search(rf"^{line}$", err, re.MULTILINE)
        code, _, err = run(source, "-o", "none/", "-l", "0", "-j", "1", "--strict")
        assert code == 1
        assert re.search(rf"^tvdenoise: {line}; get a whole copy of it, or leave out --strict$", err, re.MULTILINE)
        assert run(source, "-o", "out/", "-l", "0", "-j", "1", "--overwrite", "--quiet") == (0, "", "")
    assert not Path("none/a.jpg").exists()
    assert re.search(line.removeprefix(r"in/a\.jpg: "), run("info", "in/a.jpg")[1])


def test_what_was_not_changed_is_said(run, here):
    assert re.search(r"out\.png: copied at lambda 0 in [\d.]+ s\n$", run("in.png", "-o", "out.png", "-l", "0")[2])
    np.save("flat.npy", np.full((40, 48), 100, np.uint8))
    assert re.search(r"out\.npy: found no noise to remove in [\d.]+ s\n$", run("flat.npy", "-o", "out.npy")[2])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["in.png"], r"in\.png: step \d+, within \S+ of the exact minimiser"),
        (["in.png", "clean.png"], r"[12] of 2 in [\d.]+ s, the last (in|clean)\.png"),
    ],
)
def test_a_run_that_no_terminal_watches_says_how_far_it_is(run, here, monkeypatch, words, line):
    monkeypatch.setattr("tvdenoise.cli.messages.SECONDS_A_LINE", 0.0)
    assert re.search(f"^{line}$", run(*words, "-o", "new", "-l", "0.1")[2], re.MULTILINE)
    assert run("in.png", "-o", "more", "-l", "0.1", "-q")[2] == ""
    monkeypatch.setattr("tvdenoise.cli.messages.SECONDS_A_LINE", 1e9)
    assert not re.search(f"^{line}$", run("in.png", "-o", "last", "-l", "0.1")[2], re.MULTILINE)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.4, "59.4 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (3720.0, "1 h 2 min")],
)
def test_durations(seconds, text):
    assert messages.format_duration(seconds) == text


def test_an_empty_path_is_not_the_current_folder(run, here):
    options = (["--reference="], ["--files-from="], ["-o", ""])
    in_sweeps = (["--reference="], ["--out="], ["--report="], ["--plot="])
    commands = [*(["in.png", *option] for option in options), *(["sweep", "in.png", *option] for option in in_sweeps)]
    for words in ([""], ["in.png", ""], ["sweep", ""], *commands):
        code, out, err = run(*words)
        assert (code, out) == (2, "")
        assert re.match("tvdenoise: '': an empty path names no file; check what was to be in it", err)


def test_a_lambda_meant_for_other_intensities(run, here):
    hint = "lambda 25 is for intensities 0 to 1; if it was meant for 0 to 255, give 25/255, "
    assert run("in.png", "-l", "25")[2].startswith(hint)
    said = run("in.png", "-l", "25/255", "--overwrite")[2]
    assert "smoothed at lambda 0.0980392 in " in said
    assert hint not in said


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_memory_that_cannot_be_had_is_one_line(error, run, here, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise error

    # No picture of a test can be sure to exhaust the memory of a machine.
    monkeypatch.setattr("tvdenoise.api.task.solve", refuse)
    code, out, err = run("in.png", "-l", "0.1", "--json")
    assert code == 1
    assert err == "tvdenoise: in.png: there is not memory enough for it; free some, or let --memory be less\n"
    assert json.loads(out)["status"] == "failed"


def test_a_name_without_an_ending_takes_the_format_of_the_source(run, here):
    (here / "scan").write_bytes((here / "in.png").read_bytes())
    assert run("scan", "-l", "0.1", "-q") == (0, "", "")
    assert (here / "scan_denoised").read_bytes().startswith(b"\x89PNG")
    assert run("scan", "-o", "out/", "-l", "0.1", "-q") == (0, "", "")
    assert names(here / "out") == {"scan"}


@pytest.mark.parametrize("words", [["in.png"], ["i*.png"], ["in.png", "clean.png"]])
def test_an_output_without_an_ending_is_a_folder_for_one_picture_as_for_several(run, here, words):
    """A pattern may match one picture today, and two tomorrow."""
    code, out, err = run(*words, "-o", "new/folder", "-l", "0", "-n")
    assert (code, out.splitlines()[0]) == (0, "in.png -> new/folder/in.png")
    assert run(*words[:1], "-o", "new/folder", "-l", "0", "-q") == (0, "", "")
    assert names(here / "new" / "folder") == {"in.png"}


def test_a_missing_reference_leaves_no_folder_of_results(run, here):
    (here / "refs").mkdir()
    for words, code in ((["in.png"], 2), (["in.png", "clean.png"], 1)):
        assert run(*words, "-o", "new/folder", "-l", "0", "-q", "--reference", "refs")[0] == code
        assert not (here / "new").exists()


def test_the_default_name_ends_as_the_format_says(run, here):
    (here / "sub").mkdir()
    assert run("in.png", "-f", "jpeg", "--allow-loss", "-l", "0")[0] == 0
    assert run("in.png", "-f", "tiff", "-o", "sub", "-l", "0")[0] == 0
    assert "in_denoised.jpg" in names(here)
    assert names(here / "sub") == {"in.tif"}


def test_names_that_are_no_text_or_more_than_a_line(run, here):
    strange = here / os.fsdecode(b"\xff\x1b\nb  c.png")
    strange.write_bytes((here / "in.png").read_bytes())
    code, out, err = run("info", strange.name)
    assert (code, err) == (0, "")
    assert out.startswith(r"\udcff\x1b\nb  c.png: PNG 48x40 gray")
    code, out, err = run(strange.name, "-l", "0")
    assert code == 0
    assert re.fullmatch(r"\\udcff\\x1b\\nb  c\.png -> \\udcff\\x1b\\nb  c_denoised\.png: .*\n", err)


def test_an_interrupt_while_the_command_is_loaded(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tvdenoise.cli.app", _Interrupting("app"))
    monkeypatch.delattr("tvdenoise.cli.app", raising=False)
    assert run("in.png") == (130, "", "tvdenoise: interrupted; no output was left half written\n")


class _Interrupting(ModuleType):
    def __getattr__(self, name):
        raise KeyboardInterrupt


def test_alpha_that_is_no_number(run, here):
    picture = np.full((4, 4, 4), 0.5, np.float32)
    picture[1, 2, 3] = np.nan
    tifffile.imwrite("nan.tif", picture, photometric="rgb", extrasamples=["unassalpha"])
    options = ("--nonfinite", "keep", "--allow-loss", "-l", "0.1")
    assert run("nan.tif", "-o", "out.png", *options)[0] == 0
    assert (np.asarray(Image.open("out.png"))[..., 3] == 128).all()


def test_patterns_that_a_shell_left_alone(run, here):
    for name in ("b.npy", "a.npy", ".c.npy", "a[1].npy"):
        np.save(here / name, np.eye(11))
    code, out, _ = run("*.npy", "-l", "0.1", "-o", "out/", "-n")
    assert code == 0
    assert [line.split(" -> ")[0] for line in out.splitlines()] == ["a.npy", "a[1].npy", "b.npy"]
    np.save(here / "a1.npy", np.eye(11))  # which the name below would match, were it a pattern
    assert run("a[1].npy", "-l", "0.1", "-n")[1].startswith("a[1].npy -> ")
    rows = run("sweep", "b.*", "a[1].npy", "--lambda", "0.1", "--noise", "gaussian:0.1", "--json", "-q")[1]
    assert [json.loads(row)["input"] for row in rows.splitlines()] == ["b.npy", "a[1].npy"]
    assert len(run("info", "*.npy")[1].splitlines()) == len(run("compare", "b.npy", "*.npy")[1].splitlines()) == 4
    code, _, err = run("none*.npy", "-l", "0.1")
    assert (code, err) == (2, "tvdenoise: none*.npy: there is no such file; check the path\n")


def test_a_missing_extra_is_told_before_any_work(run, here, monkeypatch):
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    monkeypatch.delitem(sys.modules, "tvdenoise.images.formats.fits", raising=False)
    code, out, err = run("in.png", "-o", "out.fits")
    assert (code, out) == (2, "")
    assert err == (
        "tvdenoise: out.fits: Astropy reads FITS files and is not installed; "
        'in the clone: pip install -c constraints.txt ".[astro]"\n'
    )


def test_a_range_that_is_too_narrow_for_the_values(run, here):
    np.save("huge.npy", np.eye(9) * 1e300)
    code, _, err = run("huge.npy", "--range", "0,1")
    assert code == 1
    assert err.startswith("tvdenoise: huge.npy: 0..1 is too wide or too narrow a range")


def test_numbers_that_json_has_not_are_null():
    assert finite({"a": math.nan, "b": -math.inf, "c": 1, "d": "x"}) == {"a": None, "b": None, "c": 1, "d": "x"}


def test_quiet_silences_verbose(run, here):
    assert run("in.png", "-o", "out.png", "-l", "0.1", "-q", "-v") == (0, "", "")


def test_a_long_name_of_wide_letters(run, here):
    name = "漢" * 80 + ".png"
    assert run("in.png", "-o", name, "-l", "0")[0] == 0
    assert names(here) == {"in.png", "clean.png", name}


def test_a_file_that_is_replaced_keeps_its_mode(run, here):
    (here / "out.png").touch(0o600)
    assert run("in.png", "-o", "out.png", "-l", "0", "--overwrite")[0] == 0
    assert (here / "out.png").stat().st_mode & 0o777 == 0o600


def test_a_failed_file_has_a_row(run, here):
    (here / "text.png").write_text("not a picture")
    code, out, err = run("text.png", "-o", "out.png", "-l", "0.1", "--json")
    row = json.loads(out)
    assert code == 1
    assert list(row) == ROW_KEYS
    assert (row["status"], row["weight"]) == ("failed", 0.1)
    assert err == f"tvdenoise: {row['error']}\n"


class TestProcess:
    """What only a process of its own can show."""

    def test_standard_input_and_output(self, run, here):
        command = [sys.executable, "-m", "tvdenoise", "-", "-o", "-", "-l", "0.1"]
        done = subprocess.run(command, input=(here / "in.png").read_bytes(), capture_output=True, check=True)
        assert run("in.png", "-o", "out.png", "-l", "0.1")[0] == 0
        assert done.stdout == (here / "out.png").read_bytes()
        assert b"- -> -: smoothed at lambda 0.1 in " in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            ("big.npy -o - -l 0 -q | head -c 9 >/dev/null", 1, "standard output: writing it failed (Broken pipe); "),
            ("-u big.npy -o - -l 0 -q | head -c 9 >/dev/null", 1, "standard output: writing it failed (Broken pipe); "),
            ("-u in.png -o out.png -l 0 -q --json > /dev/full", 1, "standard output: writing it failed (No space left"),
            ("--help > /dev/full", 1, "standard output: No space left on device; check it"),
            ("in.png -o - -l 0 -q >&-", 1, "standard output: writing it failed (Bad file descriptor); "),
            ("- -o out.png -l 0 -q <&-", 2, "standard input: it cannot be read (Bad file descriptor); "),
            ("in.png -o out.png -l 0 2>&-", 0, ""),
            ("in.png -o out.png -l 0 2>/dev/full", 0, ""),
        ],
    )
    def test_streams_that_are_full_or_closed(self, arguments, code, said, here):
        np.save("big.npy", np.zeros((300, 300)))
        options, arguments = ("-u", arguments[3:]) if arguments.startswith("-u ") else ("", arguments)
        command = f"set -o pipefail; {sys.executable} {options} -m tvdenoise {arguments}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert re.fullmatch(rf"tvdenoise: {re.escape(said)}.*\n" if said else "", done.stderr)
        assert names(here) <= {"in.png", "clean.png", "big.npy", "out.png"}

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("--l", {"--lambda", "--lr"}),
            ("in.png --tv i", {"isotropic"}),
            ("--optimizer adam", {"adam", "adamax", "adamw"}),
            ("info --a", {"--axes"}),
            ("sw", {"sweep"}),
            ("in.png sw", set()),
            ("in", set()),  # in.png, which is for the shell to tell
            ("in.png -f t", {"tiff"}),
            ("in.png --device cu", {"cuda"}),
            ("sweep in.png --tv anisotropic,i", {"anisotropic,isotropic"}),
        ],
    )
    def test_shells_complete_the_command_nobody_types_and_the_others(self, here, words, expected):
        line = f"tvdenoise {words}"
        asked = {"_TVDENOISE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
        command = [sys.executable, "-m", "tvdenoise"]
        done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=True)
        assert set(done.stdout.split()) == expected

    @pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
    def test_help_and_version_load_no_torch(self, arguments):
        program = (
            "import sys\n"
            "from tvdenoise.cli import main\n"
            f"sys.argv = ['tvdenoise', *{arguments}]\n"
            "try: main()\n"
            "finally: print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules], file=sys.stderr)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stderr == "[]\n"

    def test_wrong_files_are_told_without_torch(self, here):
        program = (
            "import sys\n"
            "from tvdenoise.cli import main\n"
            "sys.argv = ['tvdenoise', 'none.png', '-l', '0.1']\n"
            "try: main()\n"
            "finally: print('torch' in sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "False\n")

    def test_the_default_method_does_not_load_the_compiler(self, here):
        """torch's own optimizers import the whole of torch.compile, as long again as torch itself."""
        program = (
            "import sys\n"
            "from tvdenoise.cli import main\n"
            "sys.argv = ['tvdenoise', 'in.png', '-l', '0.1']\n"
            "try: main()\n"
            "finally: print('torch' in sys.modules, 'torch._dynamo' in sys.modules, 'skimage' in sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout == "True False False\n"

    @pytest.mark.parametrize(("name", "code", "word"), [("SIGTERM", 143, "terminated"), ("SIGINT", 130, "interrupted")])
    def test_a_signal_that_a_finalizer_swallows_comes_again(self, name, code, word):
        program = (
            "import os, signal, sys, time, weakref\n"
            "from tvdenoise.cli import app, main\n"
            "def command(*_, **__):\n"
            f"    weakref.finalize(set(), lambda: (os.kill(os.getpid(), signal.{name}), time.sleep(0)))\n"
            "    time.sleep(10)\n"
            "app.app = command\n"
            "main()\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (code, f"tvdenoise: {word}; no output was left half written\n")

    @pytest.mark.parametrize("command", ["in.png -o out.png -l 0.1", "sweep in.png -l 0.1"])
    def test_an_interrupt_waits_until_torch_is_imported(self, here, command):
        """Which would abort the process."""
        program = (
            "import os, signal, sys, time\n"
            "class Interrupting:\n"
            "    def find_spec(self, name, *_):\n"
            "        if name == 'torch':\n"
            "            os.kill(os.getpid(), signal.SIGINT)\n"
            "            time.sleep(0.01)\n"
            "            print('not broken off')\n"
            "sys.meta_path.insert(0, Interrupting())\n"
            f"sys.argv = ['tvdenoise', *{command.split()}]\n"
            "from tvdenoise.cli import main\n"
            "main()\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (130, "not broken off\n")
        assert done.stderr == "tvdenoise: interrupted; no output was left half written\n"

    def test_from_a_folder_that_is_gone_nothing_is_done(self, run, here, monkeypatch):
        (here / "gone").mkdir()
        monkeypatch.chdir("gone")
        (here / "gone").rmdir()
        message = "tvdenoise: current folder: it is not there any more; change to another\n"
        assert run(here / "in.png", "-o", here / "out.png") == (2, "", message)

    @pytest.mark.parametrize(("signal_", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    def test_interrupted_leaves_nothing(self, signal_, code, here):
        np.save("big.npy", np.random.default_rng(0).random((1000, 1000)))
        command = [sys.executable, "-m", "tvdenoise", "big.npy", "-o", "out.npy", "-l", "1", "--tol", "1e-12", "-v"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert "1000x1000" in process.stderr.readline()  # it has been read: the work begins
            time.sleep(0.2)
            process.send_signal(signal_)
            said = process.stderr.read()
        assert process.returncode == code
        assert "Traceback" not in said
        assert "; no output was left half written" in said
        assert names(here) == {"in.png", "clean.png", "big.npy"}

    def test_a_terminal_gets_a_bar_with_the_falling_distance(self, here):
        leader, follower = os.openpty()
        termios.tcsetwinsize(follower, (24, 120))
        command = [sys.executable, "-m", "tvdenoise", "in.png", "-o", "out.png", "-l", "0.1"]
        with subprocess.Popen(command, stderr=follower) as process:
            os.close(follower)
            said = b""
            while chunk := _read(leader):
                said += chunk
        assert process.returncode == 0
        bounds = [float(b) for b in re.findall(rb"in\.png: step \d+, within (\S+) of the exact minimiser \|", said)]
        assert len(bounds) > 2
        assert bounds == sorted(bounds, reverse=True)

    @pytest.mark.parametrize("arguments", [["in.png", "-o", "-"], ["-"]])
    def test_a_terminal_gets_no_picture(self, run, monkeypatch, arguments):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        code, out, err = run(*arguments, "-l", "0.1")
        assert (code, out) == (2, "")
        assert err == "tvdenoise: -: standard output is a terminal; send it on with > or |, or name a file\n"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says EIO where others say end of file
        return b""
