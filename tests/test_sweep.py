"""Experiments: noise with known moments, rows that equal single runs, files of rows after kills, and tables."""

import csv
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from processes import begun, fill

from tvdenoise import Grid, Noise, Specimen, __version__, denoise, sweep
from tvdenoise.api import denoising
from tvdenoise.api.aggregation import mean_psnr
from tvdenoise.api.denoising import denoise_as_set
from tvdenoise.cli.values import parse_list
from tvdenoise.errors import ArrayError, SettingError
from tvdenoise.experiments import row_file
from tvdenoise.experiments import sweep as sweeping
from tvdenoise.experiments.exhibits import make_exhibits
from tvdenoise.experiments.tables import summary_tables
from tvdenoise.files.metrics import quality
from tvdenoise.files.rows import TrialRow
from tvdenoise.kernels import dispatch

APART = {"seconds", "trace", "pages"}
"""What differs from run to run, and what no table has."""


@pytest.fixture
def clean() -> np.ndarray:
    """A gray picture of 40 x 48 with an edge and a disc, in [0, 1]."""
    y, x = np.mgrid[:40, :48]
    return (0.3 + 0.3 * (x > 20) + 0.2 * ((x - 30) ** 2 + (y - 20) ** 2 < 80)).astype(np.float32)


class TestNoise:
    GRAY = np.full((200, 300), 0.5, np.float32)

    @pytest.mark.parametrize(
        ("noise", "deviation"),
        [
            (Noise("gaussian", 0.1), 0.1),
            (Noise("speckle", 0.2), 0.1),
            (Noise("salt-pepper", 0.05), 0.5 * 0.05**0.5),
        ],
    )
    def test_has_the_moments_it_is_called_by(self, noise, deviation):
        noisy = noise.add_to(self.GRAY, 3)
        assert noisy.dtype == self.GRAY.dtype
        assert noisy.std() == pytest.approx(deviation, rel=0.04)
        assert noisy.mean() == pytest.approx(0.5, abs=0.003)

    def test_of_counts_is_the_square_root_of_the_counts(self):
        ramp = np.linspace(0.25, 1, 256, dtype=np.float32).repeat(500).reshape(256, 500)  # 256 levels
        noisy = Noise("poisson").add_to(ramp, 0)
        assert (noisy * 256 == np.rint(noisy * 256)).all()
        assert ((noisy - ramp) / np.sqrt(ramp / 256)).std() == pytest.approx(1, rel=0.02)

    def test_of_so_many_counts_in_white(self):
        ramp = np.linspace(-0.2, 1, 500, dtype=np.float32).repeat(300).reshape(500, 300)
        noisy = Noise("poisson", 30).add_to(ramp, 0)
        assert noisy.dtype == ramp.dtype
        assert np.allclose(noisy * 30, np.rint(noisy * 30), atol=1e-4)
        assert (noisy[ramp <= 0] == 0).all()
        seen = ramp > 0.1
        assert ((noisy - ramp)[seen] / np.sqrt(ramp[seen] / 30)).std() == pytest.approx(1, rel=0.02)
        assert Noise("poisson", 30, is_clipped=True).add_to(ramp, 0).max() == 1
        assert np.isfinite(Noise("poisson", 1e9).add_to(np.full((2, 2), 1e9), 0)).all()  # MAX_UNIT

    def test_is_the_same_for_the_same_seed_alone(self):
        noise = Noise("gaussian", 0.1)
        assert np.array_equal(noise.add_to(self.GRAY, 1), noise.add_to(self.GRAY, 1))
        assert not np.array_equal(noise.add_to(self.GRAY, 1), noise.add_to(self.GRAY, 2))

    def test_is_clipped_only_if_asked(self):
        assert np.ptp(Noise("gaussian", 0.5).add_to(self.GRAY, 0)) > 2
        clipped = Noise("gaussian", 0.5, is_clipped=True).add_to(self.GRAY, 0)
        assert (clipped.min(), clipped.max()) == (0, 1)

    def test_is_written_as_it_is_read(self):
        assert [str(Noise("gaussian", amount)) for amount in (25 / 255, 0.1)] == ["gaussian:25/255", "gaussian:0.1"]
        assert str(Noise.read("salt-pepper:0.2")) == "salt-pepper:0.2"  # not 51/255
        assert str(Noise("poisson")) == "poisson"
        assert str(Noise.read("poisson:30")) == "poisson:30"
        for amount in (0.12345678, 25 / 255 + 1e-12, 1 / 3, 3e-7, 0.0):
            assert Noise.read(str(Noise("speckle", amount))) == Noise("speckle", amount)
        assert Noise.read("gaussian:25.5/255").amount == 0.1

    @pytest.mark.parametrize(
        "arguments",
        [
            ("brown", 0.1),
            ("gaussian", None),
            ("gaussian", -1),
            ("gaussian", "0.1"),
            ("gaussian", True),
            ("salt-pepper", 1.5),
            ("poisson", 0),
        ],
    )
    def test_that_cannot_be(self, arguments):
        with pytest.raises(SettingError, match="noise"):
            Noise(*arguments)

    def test_is_for_the_unit_scale(self):
        with pytest.raises(ArrayError, match="values of type uint8 are not on the unit scale; divide it"):
            Noise("gaussian", 0.1).add_to(np.full((9, 9), 128, np.uint8), 0)


def untimed(text: str) -> str:
    """Tables without seconds, which differ from run to run."""
    return re.sub(r" +[0-9]+\.[0-9]{3} ", " ", text)


def weights_of(text):
    return parse_list("weight", text)


class TestWeights:
    def test_lists_and_ranges(self):
        assert weights_of("0.02, 0.05,auto") == (0.02, 0.05, "auto")
        assert weights_of("0.01:1:3") == (0.01, 0.1, 1)
        assert weights_of("1e-320:1:3") == pytest.approx((1e-320, 1e-160, 1))
        assert weights_of("0.02,25/255") == (0.02, 25 / 255)
        assert weights_of("0, 0.01:1:3,auto") == (0, 0.01, 0.1, 1, "auto")
        assert weights_of("0:0.2:5:lin") == (0, 0.05, 0.1, 0.15, 0.2)
        ratios = np.divide(weights_of("0.01:1:12")[1:], weights_of("0.01:1:12")[:-1])
        assert np.allclose(ratios, 100 ** (1 / 11), rtol=1e-4)

    @pytest.mark.parametrize(
        "text", ["a", "1:2", "0:1:5", "1:0.1:5", "0.1:1:1", "0.1:1:5:log", "0.1:1:x", "1:inf:3", "1:2:9999999"]
    )
    def test_that_cannot_be(self, text):
        with pytest.raises(SettingError, match="weight"):
            weights_of(text)


class TestSweep:
    def test_strengths_multiply_what_is_chosen(self, clean):
        grid = Grid(weight=(0.1, "auto"), strength=(0.5, 1.0), noise=(Noise("gaussian", 0.1),))
        given, half, chosen = sweep([Specimen("a", clean)], grid)
        assert (given.strength, half.strength, chosen.strength) == (None, 0.5, 1)
        assert half.figures.weight == pytest.approx(0.5 * chosen.figures.weight)
        assert len(grid) == 3
        with pytest.raises(SettingError, match="strength: it is for a chosen lambda"):
            Grid(weight=(0.1,), strength=(0.5,))

    def test_noise_is_for_clean_pictures(self, clean):
        specimen = Specimen("a", clean, reference=1 - clean)
        with pytest.raises(SettingError, match="noise: a has a clean version, and is not to get more"):
            next(sweep([specimen], Grid(noise=(Noise("gaussian", 0.1),))))

    def test_rows_are_json_whatever_library_numbers_are_of(self, clean):
        grid = Grid(
            weight=(Fraction(1, 4),),
            noise=(Noise("poisson", 30),),
            seed=np.arange(2),
            max_steps=np.int64(5),
            tol=np.float32(1e-3),
        )
        rows = [json.loads(json.dumps(row.as_json())) for row in sweep([Specimen("a", clean)], grid)]
        assert [(row["seed"], row["weight"]) for row in rows] == [(0, 0.25), (1, 0.25)]

    def test_rows_are_those_of_single_runs(self, clean):
        grid = Grid(
            weight=(0.05, 0.2), tv=("anisotropic", "isotropic"), noise=(Noise("gaussian", 0.1), None), seed=(0, 1)
        )
        rows = list(sweep([Specimen("a", clean), Specimen("b", clean.T)], grid))
        assert len(rows) == 2 * len(grid) == 2 * 4 * 3
        assert len({row.key for row in rows}) == len(rows)
        row = next(
            row for row in rows if (row.input, row.tv, row.seed, row.figures.weight) == ("b", "isotropic", 1, 0.2)
        )
        noisy = Noise("gaussian", 0.1).add_to(clean.T, 1)
        alone = denoise(noisy, 0.2, tv="isotropic")
        assert row.figures.energy == pytest.approx(alone.energy, rel=1e-6)
        assert row.figures.psnr_after == pytest.approx(
            -10 * np.log10(np.square(alone.image - clean.T).mean()), abs=1e-3
        )
        assert (row.noise, row.data_range, row.is_clipped) == ("gaussian:0.1", 1, False)
        assert all((row.figures.psnr_after is None) == (row.noise is None) for row in rows)

    def test_numbers_of_numpy_are_numbers(self, clean):
        rows = [
            next(sweep([Specimen("a", clean)], Grid((number(1),), noise=(Noise("poisson"),), seed=(whole(0),))))
            for number, whole in ((float, int), (np.float64, np.int64), (np.float32, np.uint8))
        ]
        assert len({row.key for row in rows}) == 1

    def test_gray_pictures_count_once_for_every_colour_model(self, clean):
        """They are the same by all of them, and a mean over other pictures would be no comparison."""
        colour = np.stack([clean, clean[::-1], clean], -1)
        models, noise = ("rgb", "opponent", "coupled", "auto"), (Noise("gaussian", 0.1),)
        grid = Grid(weight=(0.05,), color=models, noise=noise)
        rows = [row.as_dict() for row in sweep([Specimen("gray", clean), Specimen("colour", colour)], grid)]
        assert [(row["input"], row["color"]) for row in rows] == [
            ("gray", "rgb"),
            ("colour", "rgb"),
            ("colour", "opponent"),
            ("colour", "coupled"),
        ]
        gray, *others = (row["psnr_after"] for row in rows)
        means, best = summary_tables(rows)
        assert [line[0] for line in means.body] == ["rgb", "opponent", "coupled"]
        assert [float(line[2]) for line in means.body] == pytest.approx(
            [(gray + other) / 2 for other in others], abs=0.006
        )
        assert [cell.split(": ")[1] for cell in best.body[0][1:]] == [f"{gray:.2f}"] * 3

    def test_what_is_known_is_not_done_again(self, clean):
        grid = Grid(weight=(0.05, 0.1, 0.2), noise=(Noise("gaussian", 0.1),))
        rows = list(sweep([Specimen("a", clean)], grid))
        left = list(sweep([Specimen("renamed", clean)], grid, is_known=lambda row: row.key == rows[1].key))
        assert [row.key for row in left] == [rows[0].key, rows[2].key]
        keys = {row.key for row in rows}
        other = list(sweep([Specimen("a", clean + 0.001)], grid, is_known=lambda row: row.key in keys))
        assert len(other) == 3

    def test_against_a_reference(self, clean):
        noisy = Noise("gaussian", 0.1).add_to(clean, 0)
        (row,) = sweep([Specimen("a", noisy, clean)], Grid(weight=(0.1,)))
        (same,) = sweep([Specimen("a", clean)], Grid(weight=(0.1,), noise=(Noise("gaussian", 0.1),)))
        assert row.figures.psnr_after == same.figures.psnr_after
        assert row.noise is None

    def test_a_run_that_fails_says_why_and_the_others_go_on(self, clean):
        grid = Grid(weight=(0.1,), color=("opponent", "rgb"), noise=(Noise("gaussian", 0.1),))
        failed, done = sweep([Specimen("a", np.stack([clean, clean], 2))], grid)
        assert (failed.status, done.status) == ("failed", "done")
        assert failed.error == "a: it has 2 channels, not red, green and blue; use --color coupled or rgb"

    def test_a_picture_too_large_for_memory_fails_alone(self, clean, monkeypatch):
        def greedy(image, *arguments, **options):
            if len(image) > 40:
                raise MemoryError
            return denoise_as_set(image, *arguments, **options)

        # No picture of a test can be sure to exhaust the memory of a machine.
        monkeypatch.setattr(denoising, "denoise_as_set", greedy)
        pictures = [Specimen("large", np.zeros((50, 50))), Specimen("small", np.eye(20))]
        large, small = sweep(pictures, Grid(weight=(0.1,)))
        assert (large.status, small.status) == ("failed", "done")
        assert large.error.startswith("large: there is not memory enough for it")

    def test_a_trace_tells_every_certificate(self, clean):
        grid = Grid(weight=(0.1,), optimizer=("fista", "adam"), tol=1e-4, noise=(Noise("gaussian", 0.1),))
        for row in sweep([Specimen("a", clean)], grid, trace=True):
            assert row.trace is not None
            steps = [point.step for point in row.trace]
            assert steps[0] == 0
            assert steps == sorted(set(steps))
            assert steps[-1] == row.figures.steps
            assert row.as_json()["trace"][-1].keys() == {"step", "seconds", "energy", "gap", "rms_bound"}
            assert min(point.rms_bound for point in row.trace) == pytest.approx(row.figures.rms_bound, abs=1e-7)

    def test_a_trace_of_few_and_long_steps_has_several_points(self, clean):
        grid = Grid(weight=(0.1,), optimizer=("lbfgs",), noise=(Noise("gaussian", 0.1),))
        (row,) = sweep([Specimen("a", clean)], grid, trace=True)
        assert row.trace is not None
        assert len(row.trace) > 4

    def test_a_trace_loads_nothing_on_the_way(self, clean):
        """No clock sees what is loaded when it is first used, in whatever precision."""
        loads = []

        class Watched(Noise):
            """Noise that is drawn when everything is loaded."""

            def add_to(self, picture: np.ndarray, seed: int) -> np.ndarray:
                loads.append(dispatch.find_module.cache_info().misses)
                return super().add_to(picture, seed)

        dispatch.find_module.cache_clear()
        noise = (Watched("gaussian", 0.1),)
        volume = Specimen("a", np.stack([clean] * 3), axes="ZYX")
        for specimen, grid in (
            (Specimen("a", clean), Grid(weight=(0.1,), tv=("anisotropic", "isotropic"), tol=1e-7, noise=noise)),
            (volume, Grid(weight=(0.1,), volume=True, noise=noise)),
        ):
            assert all(row.status == "done" for row in sweep([specimen], grid, trace=True))
            assert dispatch.find_module.cache_info().misses == loads[-1] > 0

    def test_impossible_settings_are_refused_before_any_run(self):
        with pytest.raises(SettingError, match="tv"):
            Grid(tv=("diagonal",))
        with pytest.raises(SettingError, match="sigma: it is for choosing lambda"):
            Grid(weight=(0.1, 0.2), sigma=0.1)
        with pytest.raises(SettingError, match="chroma"):
            Grid(color=("rgb",), chroma=(1.5,))
        for one in ({"weight": 0.1}, {"tv": "isotropic"}, {"noise": Noise("poisson")}, {"seed": 5}):
            with pytest.raises(SettingError, match="is not several values; give such as"):
                Grid(**one)
        assert len(Grid(weight=np.geomspace(0.01, 1, 5))) == 5
        assert len(Grid(weight=iter([0.1, 0.2]), color=["opponent"], chroma=np.array([1.0, 2.0]))) == 4
        with pytest.raises(SettingError, match="weight: there is no value"):
            Grid(weight=())

    def test_chroma_goes_with_opponent_colours_alone(self, clean):
        colour = np.stack([clean, clean[::-1], clean], -1)
        grid = Grid(weight=(0.05,), color=("rgb", "opponent"), chroma=(1.0, 2.0), noise=(Noise("gaussian", 0.1),))
        rows = list(sweep([Specimen("gray", clean), Specimen("colour", colour)], grid))
        assert len(grid) == 3
        assert [(row.input, row.figures.color, row.figures.chroma) for row in rows] == [
            ("gray", "rgb", None),
            ("colour", "rgb", None),
            ("colour", "opponent", 1.0),
            ("colour", "opponent", 2.0),
        ]
        noisy = Noise("gaussian", 0.1).add_to(colour, 0)
        assert rows[3].figures.energy == pytest.approx(denoise(noisy, 0.05, color="opponent", chroma=2.0).energy)

    def test_letters_that_do_not_fit(self, clean):
        with pytest.raises(SettingError, match="axes"):
            Specimen("a", clean, axes="TYX")
        with pytest.raises(SettingError, match="spacing"):
            Specimen("a", np.zeros((2, 3, 4)), axes="ZYX", spacing=-1.0)
        with pytest.raises(ArrayError, match="not finite"):
            Specimen("a", np.where(clean > 0.5, np.nan, clean))
        with pytest.raises(ArrayError, match="4 axes"):
            Specimen("a", np.zeros((2, 3, 4, 5)))
        with pytest.raises(ArrayError, match="may be anything; name them"):
            Specimen("a", np.zeros((3, 16, 16)))

    def test_a_trace_is_of_one_picture(self, clean):
        (row,) = sweep([Specimen("a", np.stack([clean, clean]), axes="TYX")], Grid(weight=(0.1,)), trace=True)
        assert row.error == "trace: a is 2 pictures, not one; leave it out"


def lines(path: Path) -> list[dict]:
    """The rows of a file."""
    found = row_file.read(path)[0]
    return [{key: value for key, value in row.items() if key not in APART} for row in found]


def assert_same(path: Path, other: Path) -> None:
    """The rows of two files are the same, in the same order, but for sums that compiled code rounds otherwise."""
    for one, two in zip(lines(path), lines(other), strict=True):
        assert one.keys() == two.keys()
        for key, value in one.items():
            assert two[key] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), key


SWEEP = ["sweep", "clean.png", "in.png", "--noise", "gaussian:0.1,poisson", "-l", "0.05,0.1,auto"]


class TestJsonLines:
    def test_a_csv_stays_as_it_is_until_there_is_a_row(self, run, here):
        Path("keep.csv").write_text("keep,me\n1,2\n")
        (here / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        arguments = ["-l", "0.1", "-o", "keep.csv", "--overwrite"]
        assert run("sweep", "in.png", *arguments, "--device", "nonsense")[0] == 2
        assert run("sweep", "broken.png", *arguments)[0] == 1
        assert Path("keep.csv").read_text() == "keep,me\n1,2\n"

    def test_are_gone_on_with(self, run, here):
        whole, part = here / "whole.jsonl", here / "part.jsonl"
        code, out, err = run(*SWEEP, "-o", whole)
        assert code == 0
        assert "12 runs done, 0 failed" in err
        assert run(*SWEEP[:2], *SWEEP[3:], "-o", part)[0] == 0
        code, again, err = run(*SWEEP, "-o", part)
        assert "6 runs done, 0 failed, 6 there already" in err
        assert untimed(out) == untimed(again)
        assert_same(part, whole)
        before = whole.read_bytes()
        assert run(*SWEEP, "-o", whole, "--overwrite")[1] == out
        fewer = [*SWEEP[:-1], "0.05"]
        assert untimed(run(*fewer, "-o", whole)[1]) == untimed(run(*fewer)[1])
        assert whole.read_bytes() == before

    def test_what_breaks_off_and_other_versions_are_ignored_in_words(self, run, here):
        path = here / "rows.jsonl"
        assert run(*SWEEP, "-o", path)[0] == 0
        shutil.copy(path, here / "whole.jsonl")
        *kept, other, last = path.read_text().splitlines(keepends=True)
        other = other.replace(__version__, "0.0.1").replace('"risk"', '"of_old"')
        path.write_text("".join(kept) + other + last[: len(last) // 2])
        code, _, err = run(*SWEEP, "-o", path)
        assert code == 0
        assert f"{path}: ignored the last line, which breaks off" in err
        assert f"{path}: ignored 1 line of another version" in err
        assert "2 runs done, 0 failed, 10 there already" in err
        assert_same(path, here / "whole.jsonl")

    @pytest.mark.parametrize("content", ["a letter\nto somebody\n", '{"my": "notes"}', "hello", "\n"])
    def test_something_else_is_left_alone(self, run, here, content):
        path = here / "rows.jsonl"
        path.write_text(content)
        code, out, err = run(*SWEEP, "-o", path)
        assert (code, out) == (2, "")
        assert "it is no file of rows of a sweep" in err
        assert path.read_text() == content

    def test_a_kill_may_leave_the_beginning_of_a_row(self, run, here):
        (here / "rows.jsonl").write_text('{"inp')
        assert run(*SWEEP, "-o", "rows.jsonl")[0] == 0
        assert len(row_file.read(here / "rows.jsonl")[0]) == 12

    def test_copies_of_a_picture_keep_their_names(self, run, here):
        shutil.copy("clean.png", "copy.png")
        sweep = ("sweep", "clean.png", "copy.png", *SWEEP[3:], "-l", "0.1", "-o", "rows.jsonl")
        assert untimed(run(*sweep)[1]) == untimed(run(*sweep)[1])

    def test_rows_with_values_that_none_has_are_ignored(self, run, here):
        path = here / "rows.jsonl"
        assert run(*SWEEP, "-o", path)[0] == 0
        row = json.loads(path.read_text().splitlines()[0])
        point = {"step": 1, "seconds": 0.1, "energy": 0, "gap": 0, "rms_bound": 0}
        wrong = {
            "input": [None, "a\0b", "\ud800.png"],
            "status": ["planned"],
            "weight": [None, True, 10**400, math.nan],
            "seed": [-1, 1.5],
            "trace": [[1], {"a": 1}, [point | {"seconds": "a"}], [point | {"seconds": 10**400}]],
            "color": [[1], "green"],
            "tv": [None],
            "noise_model": [None, 5],
            "axes": [None],
            "shape": [None, [9.5, 9]],
            "is_noise_clipped": [[1]],
            "volume": ["yes"],
            "pages": [[{"weight": "a"}]],
            "noise": [5],
            "psnr_after": ["a"],
        }
        cut = {key: value for key, value in row.items() if key != "seconds"}
        changed = [row | {key: value} for key, values in wrong.items() for value in values]
        path.write_text("".join(json.dumps(one) + "\n" for one in (*changed, cut, row, row | {"trace": [point]})))
        rows, ignored = row_file.read(path)
        assert [row["trace"] for row in rows] == [None, [point]]
        assert ignored == [f"{len(changed) + 1} lines of no sweep"]

    def test_rows_of_an_older_version_are_read_and_gone_on_with(self, run, here):
        """Which called the weight lambda, in pages too."""
        path = here / "rows.jsonl"
        np.save("stack.npy", np.stack([np.asarray(Image.open("clean.png"))] * 2))
        sweep_ = ["sweep", "stack.npy", "--axes", "ZYX", "-l", "0.1", "--noise", "gaussian:0.1", "--max-steps", "1"]
        assert run(*sweep_, "-o", path)[0] == 0
        (now,), _ = row_file.read(path)
        assert (now["weight"], [page["weight"] for page in now["pages"]]) == (0.1, [0.1, 0.1])
        path.write_text(path.read_text().replace('"weight": ', '"lambda": '))
        assert row_file.read(path) == ([now], [])
        assert "0 failed, 1 there already" in run(*sweep_, "-o", path)[2]

    def test_whole_numbers_of_any_length_do_no_harm(self, run, here):
        path = here / "rows.jsonl"
        assert run(*SWEEP, "-o", path)[0] == 0
        (row, *_), _ = row_file.read(path)
        number = 10**400
        for key, value in (("steps", number), ("seed", number), ("shape", [number, number])):
            path.write_text(json.dumps(row | {key: value}) + "\n")
            assert run("report", path, "-o", "page.html", "--overwrite")[0] == 0
            assert run(*SWEEP, "-o", path)[0] == 0

    def test_after_kills_at_any_moment_has_the_rows_of_an_undisturbed_run(self, here, clean):
        whole, path = here / "whole.jsonl", here / "killed.jsonl"
        begun(fill, path, clean).join()
        path.unlink()
        began = time.monotonic()
        begun(fill, whole, clean).join()
        lasts, dice, kills = time.monotonic() - began, random.Random(0), 0
        while kills < 6:
            process = begun(fill, path, clean)
            process.join(dice.uniform(0, lasts))
            if process.exitcode is None:
                kills += 1
            else:
                path.unlink()
            process.kill()
            process.join()
        begun(fill, path, clean).join()
        assert_same(path, whole)


class TestTable:
    def test_says_what_json_lines_say(self, run, here):
        assert run(*SWEEP, "-o", "a.csv")[0] == run(*SWEEP, "-o", "a.jsonl")[0] == 0
        with (here / "a.csv").open(newline="") as file:
            table = list(csv.DictReader(file))
        rows = lines(here / "a.jsonl")
        assert list(table[0]) == [key for key in TrialRow("", None, "done").as_dict() if key not in ("pages", "trace")]
        for line, row in zip(table, rows, strict=True):
            for key, value in row.items():
                cell = line[key]
                if isinstance(value, float):
                    assert float(cell) == pytest.approx(value, rel=1e-5)
                elif isinstance(value, str):
                    assert cell == value
                else:
                    assert cell == ("" if value is None else json.dumps(value))

    def test_that_exists_is_replaced_only_if_asked(self, run, here):
        path = here / "rows.csv"
        path.write_text("a letter\n")
        code, out, err = run(*SWEEP, "-o", path)
        assert (code, out) == (2, "")
        assert err == (
            f"tvdenoise: {path}: it exists, and CSV is not gone on with; end it in .jsonl to go on with rows that are "
            "there, or use --overwrite\n"
        )
        assert path.read_text() == "a letter\n"
        assert run(*SWEEP, "-o", path, "--overwrite")[0] == 0
        assert len(path.read_text().splitlines()) == 13

    def test_of_a_run_that_could_not_begin_is_not_in_the_way(self, run, here):
        assert run(*SWEEP, "-o", "rows.csv", "--device", "cuda:99")[0] == 2
        assert run(*SWEEP, "-o", "rows.csv")[0] == 0

    def test_is_no_source_of_a_report(self, run, here):
        assert run(*SWEEP, "-o", "rows.csv")[0] == 0
        message = "tvdenoise: rows.csv: rows are not read from CSV; give the .jsonl that a sweep wrote\n"
        assert run("report", "rows.csv") == (2, "", message)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "CSV"])
class TestFile:
    def test_is_for_one_run_at_a_time(self, run, here, ending):
        with row_file.open_rows(here / f"rows.{ending}"):
            code, out, err = run(*SWEEP, "-o", here / f"rows.{ending}", "--overwrite")
        assert (code, out) == (2, "")
        assert "another run is writing to it" in err

    @pytest.mark.parametrize("name", [b"a\r\nb.png", b"a\rb.png", b'a",\nb.png', b"\xff\xfe.png"])
    def test_names_that_break_lines_or_are_no_text(self, run, here, ending, name):
        shutil.copy("clean.png", os.fsdecode(name))
        path = here / f"rows.{ending}"
        command = ["sweep", os.fsdecode(name), *SWEEP[3:], "-l", "0.1", "-o", path]
        assert run(*command, "--report", "page.html")[0] == 0
        if ending == "jsonl":
            assert "0 runs done, 0 failed, 2 there already" in run(*command)[2]
            assert run("report", path, "-o", "other.html")[0] == 0
            names = [row["input"] for row in row_file.read(path)[0]]
        else:
            with path.open(errors="surrogateescape", newline="") as file:
                names = [row["input"] for row in csv.DictReader(file)]
        assert names == [os.fsdecode(name)] * 2

    def test_a_full_disk_is_that_of_the_rows(self, run, full_disk, ending):
        with full_disk(1000):
            code, _, err = run(*SWEEP, "--max-steps", "1", "-o", f"rows.{ending}")
        assert code == 1
        assert f"rows.{ending}: writing it failed" in err
        assert "standard output" not in err


class TestCommand:
    def test_an_interrupt_says_that_rows_are_kept(self, run, here, monkeypatch):
        def interrupted(*arguments, **options):
            yield next(sweep(*arguments, **options))
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            # An interrupt between two rows, which no signal hits for sure.
            patch.setattr(sweeping, "sweep", interrupted)
            assert "keeps" not in run(*SWEEP, "-o", "b.jsonl", "-q")[2]
            assert "a.csv keeps the rows made so far\n" in run(*SWEEP, "-o", "a.csv")[2]
            assert "1 finished run lost: --out FILE.jsonl keeps them" in run(*SWEEP)[2]
            code, _, err = run(*SWEEP, "-o", "a.jsonl")
        assert code == 130
        assert "a.jsonl keeps the rows made so far; the same command makes the others\n" in err
        assert len(row_file.read(here / "a.jsonl")[0]) == 1
        assert "1 there already" in run(*SWEEP, "-o", "a.jsonl")[2]

    def test_an_infinite_psnr_is_null_in_json_inf_in_csv_the_best_and_in_no_mean(self, run, here):
        command = ["sweep", "clean.png", "in.png", "-l", "0,0.05", "--reference", "clean.png"]
        code, out, _ = run(*command, "-o", "a.jsonl")
        assert code == 0
        assert run(*command, "-o", "a.jsonl")[1] == out
        assert untimed(run(*command, "-o", "a.csv")[1]) == untimed(out)
        rows = row_file.read(here / "a.jsonl")[0]
        assert [row["psnr_after"] == math.inf for row in rows] == [True] + 3 * [False]
        with (here / "a.csv").open() as file:
            assert [line["psnr_after"] == "inf" for line in csv.DictReader(file)] == [True] + 3 * [False]
        written = [json.loads(line)["psnr_after"] for line in (here / "a.jsonl").read_text().splitlines()]
        assert [psnr is None for psnr in written] == [True] + 3 * [False]
        assert f" {rows[2]['psnr_after']:.2f} " in out.splitlines()[2]  # the mean of the other alone
        assert "clean.png       0: inf" in out
        assert "*        inf" in run(*command[:2], *command[3:])[1]

    def test_an_experiment_in_toml_is_that_on_the_command_line(self, run, here):
        (here / "sub").mkdir()
        (here / "sub" / "e.toml").write_text(
            'inputs = ["../clean.png", "../in.png"]\nlambda = [0.05, 0.1, "auto"]\n'
            'noise = ["gaussian:0.1", "poisson"]\nout = "rows.jsonl"\n'
        )
        code, out, _ = run("sweep", "--config", "sub/e.toml")
        assert code == 0
        assert untimed(out).splitlines()[:6] == untimed(run(*SWEEP)[1]).splitlines()[:6]
        keys = [row["key"] for row in row_file.read(here / "sub" / "rows.jsonl")[0]]
        assert run(*SWEEP, "-o", "rows.jsonl")[0] == 0
        assert keys == [row["key"] for row in row_file.read(here / "rows.jsonl")[0]]
        _, out, _ = run("sweep", "--config", "sub/e.toml", "--lambda", "0.3", "--json", "--out", "other.jsonl")
        assert {json.loads(line)["weight"] for line in out.splitlines()} == {0.3}

    def test_toml_is_utf8_whatever_the_locale(self, here):
        (here / "é.toml").write_text('# é\ninputs = "clean.png"\nlambda = 0.1', "utf-8")
        command = [sys.executable, "-m", "tvdenoise", "sweep", "--config", "é.toml", "--report", "page.html"]
        ascii_only = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        done = subprocess.run(command, env=os.environ | ascii_only, capture_output=True, check=False)
        assert (done.returncode, "1 run done" in done.stderr.decode()) == (0, True)
        assert "\N{MULTIPLICATION SIGN}" in (here / "page.html").read_text("utf-8")

    def test_numbers_that_stand_for_black_and_white(self, run, here, noisy):
        np.save("a.npy", 100 + noisy.astype(np.uint16))
        options = ("-l", "0.1", "--range", "100,355", "--json")
        row = json.loads(run("sweep", "a.npy", *options, "-o", "rows.jsonl")[1])
        single = json.loads(run("a.npy", "-o", "b.npy", *options)[1])
        assert row["range"] == single["range"] == [100, 355]
        assert row["energy"] == pytest.approx(single["energy"], rel=1e-6)
        assert run("report", "rows.jsonl", "--range", "100,355")[0] == 0
        assert "no longer what it was" not in (here / "report.html").read_text()
        assert run("report", "rows.jsonl", "--overwrite")[0] == 0
        assert "no longer what it was" in (here / "report.html").read_text()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("lamda = 0.1", "e.toml: 'lamda' is unknown; did you mean lambda?"),
            ("= 1", "e.toml: it is no TOML"),
            (f"a = {'[' * 5000}", "e.toml: it is no TOML"),
            ('inputs = "none.png"', "none.png: there is no such file"),
            ('inputs = "in.png"\nseed = "x"', "--seed: 'x' are no whole numbers"),
            ('inputs = "in.png"\ntv = "round"', "--tv: 'round' is unknown"),
            ('inputs = "in.png"\nnoise = "gaussian"', "--noise: gaussian needs an amount from 0 to 1; give"),
            ('inputs = "in.png"\nnoise = "gaussian:25"', "--noise: gaussian needs an amount from 0 to 1, not 25; give"),
            ('inputs = "in.png"\nnoise = "poisson"\nreference = "clean.png"', "--reference: with --noise"),
            ('inputs = "in.png"\nmax_steps = "x"', "'--max-steps': Input should be a valid integer"),
            ('inputs = "in.png"\nsigma = 25', "--sigma: for pictures of many ranges"),
            ('inputs = "in.png"\nout = []', "e.toml: out is not a path"),
            ("inputs = []", "e.toml: inputs is not a path"),
            (f'inputs = "in.png"\nseed = "{"9" * 5000}"', "--seed: "),
            ('inputs = "in.png"\nout = "rows.txt"', "rows.txt: rows are written as JSON lines or CSV"),
            ('inputs = "in.png"\nout = "rows.csv"\ntrace = true', "--trace: no table holds it"),
        ],
    )
    def test_faults_of_an_experiment_are_told_in_a_line(self, run, here, text, message):
        (here / "e.toml").write_text(text)
        code, out, err = run("sweep", "--config", "e.toml")
        assert (code, out) == (2, "")
        assert err.startswith("tvdenoise: ")
        assert message in err
        assert len(err.splitlines()) == 1

    def test_rows_of_another_kind_or_with_other_values_are_ignored(self, run, here):
        assert run(*SWEEP, "-o", "rows.jsonl")[0] == 0
        first, second, *others = (here / "rows.jsonl").read_text().splitlines(keepends=True)
        single = run("in.png", "-l", "0.1", "--json")[1]
        changed = json.dumps(json.loads(second) | {"psnr_after": "high"}) + "\n"
        deep = ["[" * depth + "]" * depth for depth in range(100, 1100, 10)] + ["[" * 100_000]
        nested = [f'{{"version": "{__version__}", "key": {brackets}}}\n' for brackets in deep]
        (here / "rows.jsonl").write_text("".join([first, single, changed, *nested, *others]))
        _, _, err = run(*SWEEP, "-o", "rows.jsonl")
        assert f"rows.jsonl: ignored {2 + len(nested)} lines of no sweep" in err
        assert "1 run done, 0 failed, 11 there already" in err
        (here / "rows.jsonl").write_text("".join([first, single, first[:20]]))
        _, _, err = run("report", "rows.jsonl")
        assert err.splitlines()[:2] == [
            "rows.jsonl: ignored the last line, which breaks off",
            "rows.jsonl: ignored 1 line of no sweep",
        ]
        (here / "single.jsonl").write_text(single)
        code, _, err = run("report", "single.jsonl")
        assert (code, "it is no file of rows of a sweep" in err) == (2, True)

    def test_white_is_white_whatever_number_stands_for_it(self, run, here):
        """In TIFF's MinIsWhite small numbers do."""
        for name in ("clean", "in"):
            pixels = np.asarray(Image.open(f"{name}.png"))
            tifffile.imwrite(f"{name}.tif", 255 - pixels, photometric="miniswhite")
        tables = set()
        for noisy in ("in.tif", "in.png"):
            for clean in ("clean.tif", "clean.png"):
                code, out, _ = run("sweep", noisy, "--reference", clean, "-l", "0.1")
                assert code == 0
                tables.add(untimed(out).replace(noisy, ""))
        assert len({"".join(table.split()) for table in tables}) == 1

    def test_the_reference_may_have_its_axes_in_another_order_and_be_transparent(self, run, here):
        colours = np.random.default_rng(0).integers(60, 190, (8, 8, 3), np.uint8).repeat(4, 0).repeat(4, 1)
        tifffile.imwrite("planar.tif", np.moveaxis(colours, -1, 0), photometric="rgb", planarconfig="separate")
        Image.fromarray(colours).save("a.png")
        Image.fromarray(np.dstack([colours, np.full((32, 32), 255, np.uint8)])).save("alpha.png")
        for noisy in ("planar.tif", "a.png", "alpha.png"):
            for clean in ("planar.tif", "a.png", "alpha.png"):
                row = json.loads(run("sweep", noisy, "--reference", clean, "-l", "0", "--json")[1])
                assert (row["status"], row["psnr_after"]) == ("done", None)  # infinite

    def test_rows_that_are_there_are_printed_too(self, run, here):
        """As JSON, which has no infinite number, also of pages."""
        tifffile.imwrite("pages.tif", np.eye(32, dtype=np.uint8)[None].repeat(2, 0))
        command = ["sweep", "pages.tif", "--reference", "pages.tif", "-l", "0,0.1", "-o", "rows.jsonl", "--json"]
        out = run(*command)[1]
        assert run(*command)[1] == out
        assert (here / "rows.jsonl").read_text() == out
        assert "Infinity" not in out

    def test_a_result_is_a_picture_like_any_other(self, run, here):
        shutil.copy("in.png", "clean_denoised.png")
        names = ("clean.png", "./clean.png", "clean_denoised.png")
        code, _, err = run("sweep", *names, "--reference", "clean.png", "-l", "0.1")
        assert (code, "2 runs done, 0 failed" in err) == (0, True)

    def test_clipping_needs_noise(self, run):
        assert run("sweep", "in.png", "--clip-noise")[0] == 2

    def test_what_is_said_twice_is_done_once(self, run, here):
        _, out, err = run("sweep", "in.png", "--noise", "poisson,poisson", "--seed", "1,1", "-l", "0.1,0.1:1:2,1")
        assert "2 runs done" in err

    def test_bad_pictures_fail_alone(self, run, here):
        (here / "text.png").write_text("not a picture")
        with tifffile.TiffWriter("pages.tif") as writer:
            for side in (9, 8):
                writer.write(np.zeros((side, side), np.uint8))
        code, out, err = run("sweep", ".", "--noise", "gaussian:0.1", "-l", "0.1")
        assert code == 1
        assert "2 runs done, 2 failed" in err
        assert "pages.tif: its pages differ in shape or type; a sweep takes pages that are alike" in err

    def test_markdown(self, run, here):
        _, out, _ = run(*SWEEP, "--markdown")
        assert "| setting | lambda | best | PSNR (dB) | SSIM | seconds | steps | certified within |\n| --- |" in out
        assert "\n| gaussian:0.1 | 0.05 | " in out

    def test_latex(self, run, here):
        _, out, _ = run(*SWEEP, "--latex")
        assert r"setting & lambda & best & PSNR (dB) & SSIM & seconds & steps & certified within \\" in out
        assert out.count(r"\begin{tabular}{l") == out.count(r"\end{tabular}") == 2
        code, _, err = run(*SWEEP, "--latex", "--json")
        assert (code, "--json: with --markdown or --latex it would print two forms" in err) == (2, True)

    def test_what_was_written_is_said(self, run, here):
        _, _, err = run(*SWEEP, "-o", "rows.jsonl", "--plot", "a.png")
        assert err.endswith("written: rows.jsonl (12 rows of this sweep), a.png\n")

    def test_what_is_neither_measured_nor_kept_is_refused(self, run, here):
        code, out, err = run("sweep", "in.png", "-l", "0.1,0.2")
        assert (code, out) == (2, "")
        assert err.startswith("tvdenoise: --reference: without clean pictures nothing is measured, and no results are")

    def test_a_strength_needs_a_lambda_that_is_chosen(self, run, here):
        _, _, err = run("sweep", "in.png", "--noise", "poisson", "-l", "0.1", "--strength", "0.5")
        assert "let auto be among the values of lambda, or leave strength out" in err


def test_a_page_of_no_rows_is_not_written(run, here):
    (here / "text.png").write_text("not a picture")
    code, _, err = run("sweep", "text.png", "--noise", "poisson", "--report", "page.html")
    assert code == 1
    assert "page.html is not written: there are no rows" in err
    assert not Path("page.html").exists()


SHAPES = {
    "pages": ((2, 40, 48), "TYX"),
    "volume": ((5, 20, 24), "ZYX"),
    "series of volumes": ((2, 4, 20, 24), "TZYX"),
    "colour pages": ((2, 40, 48, 3), "TYXS"),
    "channels": ((3, 40, 48), "CYX"),
    "channels of a volume": ((4, 2, 20, 24), "ZCYX"),
}
"""Of what several pictures, or one that is no picture, may be."""


@pytest.mark.parametrize("what", SHAPES)
class TestSeveralPages:
    @pytest.fixture
    def stack(self, what, here) -> Path:
        """Pages of different noise, so that each has a lambda of its own."""
        (shape, axes), random = SHAPES[what], np.random.default_rng(5)
        clean = np.linspace(60, 180, shape[axes.index("X")])
        clean = clean if axes[-1] == "X" else clean[:, np.newaxis]
        sigma = np.linspace(4, 20, shape[0]).reshape(-1, *(1,) * (len(shape) - 1))
        noisy = np.clip(clean + random.normal(0, sigma, shape), 0, 255).astype(np.uint8)
        for name, pixels in (("stack", noisy), ("whole", np.broadcast_to(clean, shape).astype(np.uint8))):
            kind = "rgb" if axes[-1] == "S" else "minisblack"
            tifffile.imwrite(f"{name}.tif", pixels, photometric=kind, metadata={"axes": axes}, ome=True)
        return Path("stack.tif")

    @pytest.fixture
    def options(self, what) -> list[str]:
        """How it is denoised."""
        colour = ["--color", "auto" if "colour" in what else "rgb"]
        return [*colour, "-l", "auto", "--volume", "--spacing", "2"] if "volume" in what else [*colour, "-l", "auto"]

    def test_rows_are_those_of_single_commands(self, run, stack, options):
        single = json.loads(run(stack, "-o", "out.tif", *options, "--reference", "whole.tif", "--json")[1])
        code, out, _ = run("sweep", stack, *options, "--reference", "whole.tif", "--json")
        row = json.loads(out)
        assert code == 0
        for one, other in zip([single, *(single["pages"] or [])], [row, *(row["pages"] or [])], strict=True):
            for key in one.keys() - {"output", "psnr_after", "ssim_after", "is_unchanged", "pages", "seconds"}:
                assert other[key] == (pytest.approx(one[key], rel=1e-4) if isinstance(one[key], float) else one[key])
            assert other["psnr_after"] == pytest.approx(one["psnr_after"], abs=0.5)  # rounded, and not

    def test_the_first_page_is_shown_as_it_was_measured(self, run, stack, options, what):
        assert run("sweep", stack, *options, "--reference", "whole.tif", "-o", "rows.jsonl")[0] == 0
        (row,) = row_file.read(Path("rows.jsonl"))[0]
        (exhibit,) = make_exhibits([row])
        assert exhibit.images, exhibit.caption
        if row["pages"] and "volume" not in what:
            after = quality(exhibit.images["reference"], list(exhibit.images.values())[1]).psnr
            shown = row["pages"][: 3 if what == "channels" else 1]
            assert after == pytest.approx(mean_psnr([page["psnr_after"] for page in shown]), abs=0.1)

    def test_arrays_by_the_letters_of_their_axes(self, run, stack, options, what):
        grid = Grid(color=(options[1],), volume="--volume" in options, spacing=2.0 if "--volume" in options else None)
        axes = SHAPES[what][1]
        (row,) = sweep([Specimen("a", tifffile.imread(stack), tifffile.imread("whole.tif"), axes)], grid)
        told = json.loads(run("sweep", stack, *options, "--reference", "whole.tif", "--json")[1])
        assert row.status == "done", row.error
        assert row.figures.psnr_after == pytest.approx(told["psnr_after"], abs=1e-4)
        assert (row.key, row.axes) == (told["key"], told["axes"])


class TestTables:
    def row(self, **changes: object) -> dict:
        fixed = {"input": "a", "status": "done", "noise": None, "tv": "t", "color": "c", "optimizer": "o"}
        fixed |= {
            "noise_model": "gaussian",
            "chroma_given": None,
            "axes": "YX",
            "shape": [9, 8],
            "seed": None,
            "ssim_after": None,
        }
        fixed |= {"seconds": 0.5, "steps": 20, "rms_bound": 0.001}
        return fixed | {"criterion": None, "weight": 0.1, "psnr_after": 20.0} | changes

    def test_means_and_the_best(self):
        rows = [
            self.row(),
            self.row(input="b", psnr_after=30.0),
            self.row(weight=0.2, psnr_after=24.0),
            self.row(input="b", weight=0.2, psnr_after=24.0),
            self.row(input="b", weight=0.2, psnr_after=math.inf),
            self.row(status="failed", psnr_after=None),
        ]
        by_lambda, best = summary_tables(rows)
        assert [line[:3] for line in by_lambda.body] == [["0.1", "*", "25.00"], ["0.2", "", "24.00"]]
        assert by_lambda.header == ["lambda", "best", "PSNR (dB)", "seconds", "steps", "certified within"]
        assert [list(line) for line in best.body] == [["a", "0.2: 24.00"], ["b", "0.1: 30.00"]]

    def test_lambdas_that_were_chosen_come_last_by_their_strength(self):
        chosen = [self.row(criterion="sure", strength=strength, psnr_after=strength) for strength in (1.5, 1.0, 0.7)]
        by_lambda, best = summary_tables([*chosen, self.row(strength=None)])
        assert [line[0] for line in by_lambda.body] == ["0.1", "0.7 auto", "auto", "1.5 auto"]
        assert summary_tables(chosen)[1].body[0][1] == "1.5 auto: 1.50"

    def test_columns_are_what_varies(self):
        _, best = summary_tables([self.row(tv=tv, noise=noise) for tv in "ab" for noise in "xy"])
        assert best.header == ["picture", "x, a", "y, a", "x, b", "y, b"]

    def test_the_spread_over_seeds_is_that_of_means_over_pictures(self):
        psnrs = {("a", 0): 20.0, ("b", 0): 30.0, ("a", 1): 23.0, ("b", 1): 31.0}
        rows = [self.row(input=name, seed=seed, psnr_after=psnr) for (name, seed), psnr in psnrs.items()]
        means, _ = summary_tables(rows)
        assert means.header[2] == "std over seeds"
        assert float(means.body[0][2]) == pytest.approx(2 / 2**0.5, abs=1e-3)  # of 25 and 27

    def test_distances_are_the_largest_and_seconds_means(self):
        means, _ = summary_tables([self.row(), self.row(input="b", rms_bound=0.002, seconds=1.5)])
        assert means.body[0][-3:] == ["1.000", "20", "0.0020"]

    def test_names_that_would_break_a_line(self):
        text = summary_tables([self.row(input="a\nb")])[1].text()
        assert text.splitlines()[2].startswith("a b ")

    def test_names_that_would_split_a_cell(self):
        (line,) = summary_tables([self.row(input="a|b")])[1].markdown().splitlines()[4:]
        assert line == r"| a\|b | 0.1: 20.00 |"

    def test_weights_of_chroma_make_columns_where_they_are_given(self):
        colour = {"axes": "YXS", "shape": [9, 8, 3]}
        rows = [self.row(**colour, chroma_given=chroma, psnr_after=20 + chroma) for chroma in (0.0, 1.5)]
        means, _ = summary_tables([*rows, self.row(psnr_after=30.0)])
        assert [line[0] for line in means.body] == ["chroma 0.0", "chroma 1.5"]
        assert [float(line[2]) for line in means.body] == [25.0, 25.75]

    def test_nothing_measured(self):
        (means,) = summary_tables([self.row(psnr_after=None)])
        assert means.header == ["lambda", "seconds", "steps", "certified within"]


class TestCompare:
    def test_large_ranges(self, run, here):
        for name, factor in (("a.npy", 1e300), ("b.npy", 0.9e300)):
            np.save(name, np.random.default_rng(1).random((30, 30)) * factor)
        code, out, _ = run("compare", "a.npy", "b.npy", "--range", "0,1e300")
        assert code == 0
        assert "MSE inf" in out

    def test_figures(self, run, here, noisy):
        code, out, _ = run("compare", "clean.png", "in.png", "clean.png", "--json")
        first, second = (json.loads(line) for line in out.splitlines())
        difference = np.sort(noisy).astype(float) - noisy
        assert code == 0
        assert first["mse"] == pytest.approx(np.square(difference).mean())
        assert first["largest"] == pytest.approx(np.abs(difference).max())
        assert first["psnr"] == pytest.approx(10 * np.log10(255**2 / np.square(difference).mean()))
        assert (first["range"], first["data_range"], first["is_clipped"]) == ([0, 255], 255, False)
        assert (second["psnr"], second["ssim"], second["mse"], second["largest"]) == (None, 1, 0, 0)
        _, out, _ = run("compare", "clean.png", "clean.png")
        assert out.startswith("clean.png: PSNR inf dB, SSIM 1.0000, MSE 0, largest difference 0 (of 0..255, unclipped)")

    def test_other_types_by_their_own_range(self, run, here, noisy):
        tifffile.imwrite("deep.tif", noisy.astype(np.uint16) * 257)
        np.save("unit.npy", noisy / 255)
        _, out, _ = run("compare", "clean.png", "in.png", "deep.tif", "unit.npy", "--json")
        first, *others = (json.loads(line) for line in out.splitlines())
        for other in others:
            assert other["range"] == first["range"]
            for name in ("psnr", "ssim", "mse", "largest"):
                assert other[name] == pytest.approx(first[name], rel=1e-5)

    def test_pages_of_several_types_each_by_its_own_range(self, run, here):
        random = np.random.default_rng(2)
        eight, sixteen = random.integers(0, 255, (30, 30), np.uint8), random.integers(0, 65000, (20, 30), np.uint16)
        for name, change in (("clean.tif", 0), ("in.tif", 1)):
            with tifffile.TiffWriter(name) as writer:
                writer.write(eight + np.uint8(change))
                writer.write(sixteen + np.uint16(257 * change))
        _, out, _ = run("compare", "clean.tif", "in.tif", "--json")
        row = json.loads(out)
        assert row["psnr"] == pytest.approx(20 * np.log10(255), abs=1e-3)
        assert row["mse"] == pytest.approx((900 * 1 + 600 * 257**2) / 1500)
        assert row["largest"] == pytest.approx(257, rel=1e-4)

    def test_a_range_is_that_of_the_type_of_the_reference(self, run, here):
        twelve_bits = np.random.default_rng(2).integers(0, 4096, (2, 30, 30), np.uint16)
        for name, pixels in zip(("clean.tif", "in.tif"), twelve_bits, strict=True):
            tifffile.imwrite(name, pixels)
        np.save("unit.npy", twelve_bits[1] / 4095)
        _, out, _ = run("compare", "clean.tif", "in.tif", "unit.npy", "--range", "0,4095", "--json")
        first, second = (json.loads(line) for line in out.splitlines())
        difference = (twelve_bits[0].astype(float) - twelve_bits[1]) / 4095
        assert first["psnr"] == pytest.approx(-10 * np.log10(np.square(difference).mean()))
        assert second["psnr"] == pytest.approx(first["psnr"], rel=1e-5)

    def test_other_sizes_are_refused_one_by_one(self, run, here, noisy):
        Image.fromarray(noisy[1:]).save("small.png")
        Image.fromarray(np.dstack([noisy] * 3)).save("colour.png")
        code, out, err = run("compare", "clean.png", "small.png", "in.png", "colour.png", "none.png")
        assert code == 2
        assert out.startswith("in.png: PSNR")
        assert len(out.splitlines()) == 1
        assert "small.png: it is 39x48x1, the reference 40x48x1; compare versions" in err
        assert "colour.png: it is 40x48x3" in err
        assert len(err.splitlines()) == 3


def test_help_is_soon_there():
    """Neither NumPy nor torch is loaded for it."""
    program = "import sys; from tvdenoise.cli import main; sys.argv = ['tvdenoise', 'sweep', '--help']\n"
    program += "try: main()\nfinally: print('numpy' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False False\n")
