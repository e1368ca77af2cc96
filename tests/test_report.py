"""Curves and the page of an experiment, in a real browser."""

import base64
import io
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tvdenoise import Grid, Noise, Specimen, sweep
from tvdenoise.experiments import plots, report
from tvdenoise.experiments.exhibits import make_exhibits
from tvdenoise.files.metrics import quality

pytest.importorskip("matplotlib", reason="the extra plot is not installed")

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
COMMAND = ["sweep", "clean.png", "in.png", "--noise", "gaussian:0.1", "-l", "0.02,0.05,0.1,auto"]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A headless Chromium."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine (Debian: apt install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The page of a sweep over two pictures."""
    folder = tmp_path_factory.mktemp("page")
    y, x = np.mgrid[:40, :48]
    clean = (60 + 60 * (x > 20) + 80 * ((x - 30) ** 2 + (y - 20) ** 2 < 80)).astype(np.uint8)
    for name, picture in (("clean.png", clean), ("in.png", clean[::-1])):
        Image.fromarray(picture).save(folder / name)
    options = ["--optimizer", "alternating,fista", "--trace", "--report", "page.html"]
    subprocess.run([sys.executable, "-m", "tvdenoise", *COMMAND, *options], cwd=folder, check=True, capture_output=True)
    return folder / "page.html"


@pytest.fixture
def browser_page(browser, made) -> Iterator[object]:
    """The page as a browser shows it, which must not complain, nor ask anybody for anything."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(made.as_uri())
    page.wait_for_selector("img-comparison-slider.rendered")
    yield page
    page.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [made.as_uri()]


class TestBrowser:
    def test_the_slider_moves_by_mouse_and_keys(self, browser_page):
        slider = browser_page.locator("img-comparison-slider").first
        box = slider.bounding_box()
        assert slider.evaluate("s => s.value") == 50
        browser_page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        browser_page.mouse.down()
        browser_page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=5)
        browser_page.mouse.up()
        assert slider.evaluate("s => s.value") == pytest.approx(90, abs=3)
        slider.focus()
        browser_page.keyboard.down("ArrowLeft")
        browser_page.wait_for_timeout(300)
        browser_page.keyboard.up("ArrowLeft")
        assert slider.evaluate("s => s.value") < 85

    def test_any_two_pictures_can_be_laid_over_each_other(self, browser_page):
        viewer = browser_page.locator(".viewer").first
        names = viewer.locator("select").first.locator("option").all_inner_texts()
        assert names[0] == "noisy"
        assert [name.partition(":")[0] for name in names[1:]][1:2] == ["reference"]
        assert names[3].startswith("residual, ")
        others = {name.partition(":")[0] for name in (names[1], *names[4:])}
        optimizers = ("alternating", "fista")
        lambdas = ("0.02", "0.05", "0.1", "auto")
        assert others == {f"{optimizer}, lambda {one}" for optimizer in optimizers for one in lambdas}
        before = viewer.locator("img").nth(1).get_attribute("src")
        viewer.locator("select").first.select_option(names[5])
        viewer.locator("select").last.select_option(names[3])
        assert viewer.locator(".labels b").all_inner_texts() == [names[5], names[3]]
        after = viewer.locator("img").nth(1).get_attribute("src")
        assert before != after
        assert viewer.locator("img").nth(1).evaluate("i => i.decode().then(() => i.naturalWidth)") == 48

    def test_zoom_by_buttons_and_keys_shows_pixels(self, browser_page):
        viewer = browser_page.locator(".viewer").first
        image = viewer.locator("img").first
        viewer.get_by_role("button", name="8").click()
        assert image.bounding_box()["width"] == 8 * 48
        assert image.evaluate("i => getComputedStyle(i).imageRendering") == "pixelated"
        browser_page.keyboard.press("-")
        assert image.bounding_box()["width"] == 4 * 48
        assert viewer.get_by_role("button", name="4").get_attribute("aria-pressed") == "true"

    def test_zoom_keeps_the_place_that_was_touched(self, browser_page):
        viewer = browser_page.locator(".viewer").first
        stage = viewer.locator(".stage")
        stage.evaluate("s => { s.style.width = s.style.height = '120px' }")
        viewer.get_by_role("button", name="8").click()
        stage.evaluate("s => s.scrollTo(100, 100)")
        corner = stage.bounding_box()
        browser_page.mouse.click(corner["x"] + 60, corner["y"] + 60)
        viewer.get_by_role("button", name="4").click()
        # The pixel at 160 of the picture eight times as large is at 80 of it four times as large.
        picture = viewer.locator("img").nth(1).bounding_box()
        assert picture["x"] + 80 - corner["x"] == pytest.approx(60, abs=1)
        assert picture["y"] + 80 - corner["y"] == pytest.approx(60, abs=1)

    def test_the_table_sorts_both_ways(self, browser_page):
        headings = browser_page.locator("th").all_inner_texts()
        column = headings.index("PSNR")

        def cells() -> list[float]:
            return [float(text) for text in browser_page.locator(f"tbody td:nth-child({column + 1})").all_inner_texts()]

        assert len(cells()) == 16
        for order in ("ascending", "descending"):
            browser_page.locator("th button").nth(column).click()
            assert cells() == sorted(cells(), reverse=order == "descending")
            assert browser_page.locator("th").nth(column).get_attribute("aria-sort") == order

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_what_must_be_on_it_is_seen_on_desks_and_phones(self, browser_page, scheme):
        browser_page.emulate_media(color_scheme=scheme)
        for width in (1200, 390):
            browser_page.set_viewport_size({"width": width, "height": 844})
            assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
            for part in ("h1", "code", ".chart svg", "img-comparison-slider", "table", ".tools button"):
                assert browser_page.locator(part).first.is_visible(), part
        paper, ink = (
            browser_page.locator(part).first.evaluate(f"e => getComputedStyle(e).{name}")
            for part, name in (("body", "backgroundColor"), (".chart svg text", "fill"))
        )
        brightness = [sum(map(int, colour.strip("rgb()").split(","))) for colour in (paper, ink)]
        assert (brightness[0] > brightness[1]) == (scheme == "light")
        assert abs(brightness[0] - brightness[1]) > 300

    def test_a_picture_of_it_shows_pictures(self, browser_page):
        """The noisy half to the left of the divider scatters more than the other."""
        stage = browser_page.locator("img-comparison-slider").first
        shot = np.asarray(Image.open(io.BytesIO(stage.screenshot())).convert("L"), float)
        middle = shot.shape[1] // 2
        left, right = (np.abs(np.diff(half, axis=0)).mean() for half in (shot[:, : middle - 2], shot[:, middle + 2 :]))
        assert left > 1.5 * right


class TestPage:
    def rows(self, **options: object) -> list[dict]:
        picture = np.linspace(0.2, 0.8, 48 * 40, dtype=np.float32).reshape(40, 48)
        grid = Grid(weight=(0.05, 0.1), noise=(Noise("gaussian", 0.1),), **options)
        return [row.as_dict() for row in sweep([Specimen("a", picture)], grid)]

    def test_text_of_files_and_commands_is_no_markup(self):
        rows = [row | {"input": "<script>alert(1)</script>"} for row in self.rows()]
        made = report.make_page(rows, [report.Exhibit(rows[0]["input"], "", rows)], command="<b>")
        assert "<script>alert" not in made
        assert "&lt;script&gt;alert(1)" in made
        assert "<code>&lt;b&gt;</code>" in made

    def test_large_pictures_are_made_smaller_and_that_is_said(self):
        noise = np.random.default_rng(0).random((900, 1100, 3)).astype(np.float32)
        images = {"noisy": noise, "denoised": noise[::-1], "reference": noise[:, ::-1]}
        made = report.make_page(self.rows(), [report.Exhibit("large", "", self.rows(), images)])
        assert "Shown at 1/4 of its size, to keep it within 2 MB." in made
        assert 'width="275" height="225"' in made
        assert len(made) < 2 * 2**20 + 200_000

    def test_pixels_are_kept(self):
        noise = np.random.default_rng(0).random((31, 17)).astype(np.float32)
        made = report.make_page(self.rows(), [report.Exhibit("a", "", self.rows(), {"noisy": noise})])
        content = base64.b64decode(re.search('data:image/webp;base64,([^&"]+)', made)[1])
        shown = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
        assert np.array_equal(shown, np.rint(noise * 255))


class TestCommand:
    def test_pages_from_rows_are_those_of_the_sweep(self, run, here):
        assert run(*COMMAND, "-o", "rows.jsonl", "--report", "a.html")[0] == 0
        assert run("report", "rows.jsonl", "-o", "b.html") == (0, "", "b.html shows 8 runs\n")
        first, second = (Path(name).read_text() for name in ("a.html", "b.html"))
        pictures = [text.count("<section") for text in (first, second)]
        assert pictures == [3, 3]
        assert first.count("data:image/webp") == second.count("data:image/webp") == 2 * 7
        assert "tvdenoise report rows.jsonl -o b.html" in second

    def test_what_is_shown_is_what_was_measured(self, here):
        """Of every color model: the lambda of chroma is chosen too."""
        colours = np.random.default_rng(0).integers(60, 190, (8, 8, 3), np.uint8).repeat(5, 0).repeat(5, 1)
        Image.fromarray(colours).save("colours.png")
        for color in ("rgb", "opponent", "coupled"):
            grid = Grid(color=(color,), noise=(Noise("gaussian", 0.1),))
            (row,) = sweep([Specimen.read(Path("colours.png"))], grid)
            (exhibit,) = make_exhibits([row.as_dict()])
            after = quality(exhibit.images["reference"], list(exhibit.images.values())[1])
            assert after.psnr == pytest.approx(row.figures.psnr_after, abs=0.01)

    def test_every_optimizer_has_its_own_picture(self, here):
        """Of few steps, at the rate that was given: another picture by each."""
        grid = Grid(
            weight=(0.1,), optimizer=("fista", "adam", "sgd"), lr=0.03, max_steps=4, noise=(Noise("speckle", 0.2),)
        )
        rows = [row.as_dict() for row in sweep([Specimen.read(here / "clean.png")], grid)]
        (exhibit,) = make_exhibits(rows)
        shown = dict(exhibit.images) | dict(exhibit.others)
        clean = shown["reference"]
        for row in rows:
            (image,) = (shown[name] for name in shown if name.startswith(row["optimizer"]))
            assert quality(clean, image).psnr == pytest.approx(row["psnr_after"], abs=1e-6)

    def test_pictures_that_are_gone_or_changed_are_told(self, run, here):
        assert run(*COMMAND, "-o", "rows.jsonl")[0] == 0
        (here / "in.png").unlink()
        Image.new("L", (48, 40)).save("clean.png")
        code, _, err = run("report", "rows.jsonl", "-o", "page.html")
        assert code == 0
        made = (here / "page.html").read_text()
        assert [line.split(": ")[1] for line in err.splitlines()[:-1]] == ["It cannot be shown"] * 2
        assert "It cannot be shown: in.png: there is no such file" in made
        assert "It cannot be shown: the file, or how it is read (--range, --axes), is no longer what it was." in made

    def test_lambda_0_is_shown_too(self, run, here):
        assert run("sweep", "clean.png", "--noise", "gaussian:0.001", "-l", "0", "--report", "page.html")[0] == 0
        assert "lambda 0," in (here / "page.html").read_text()

    def test_an_infinite_psnr_is_shown_too(self, run, here):
        assert run("sweep", "clean.png", "--noise", "gaussian:0", "-l", "0,0.1", "--out", "rows.jsonl")[0] == 0
        assert run("report", "rows.jsonl", "-o", "page.html")[0] == 0
        assert "PSNR inf" in (here / "page.html").read_text()

    def test_against_references(self, run, here):
        assert run("sweep", "in.png", "-l", "0.1", "--reference", "clean.png", "--report", "page.html")[0] == 0
        assert "<option>reference</option>" in (here / "page.html").read_text()

    def test_faults(self, run, here):
        (here / "old.html").touch()
        (here / "old.pdf").touch()
        (here / "cleans").mkdir()
        (here / "cleans" / "in.png").write_bytes((here / "clean.png").read_bytes())
        (here / "full.jsonl").symlink_to("/dev/full")
        (here / "full.csv").symlink_to("/dev/full")
        for arguments, message in (
            (["report", "none.jsonl"], "none.jsonl: it cannot be read"),
            (["report", "in.png"], "in.png: it is no file of rows of a sweep"),
            (["report", "none.jsonl", "-o", "old.html"], "none.jsonl: it cannot be read"),
            (["sweep", "in.png", "--report", "old.html"], "old.html: it exists"),
            (["sweep", "in.png", "--report", "page.pdf"], "page.pdf: a page is HTML"),
            (["sweep", "in.png", "--report", "none/page.html"], "none/page.html: its folder none is missing"),
            (["sweep", "in.png", "--plot", "none/a.png"], "none/a.png: its folder none is missing"),
            (["sweep", "in.png", "--plot", "a.gif"], "a.gif: charts are"),
            (["sweep", "in.png", "-l", "1,auto", "--noise", "speckle:1", "--plot", "a.png"], "--plot: there would be"),
            (["sweep", "in.png", "-l", "0.1,0.2", "--plot", "a.png"], "--plot: there would be nothing to draw"),
            (["sweep", "in.png", "--plot", "in.png"], "in.png: it is a file this run reads"),
            (["sweep", ".", "--overwrite", "--plot", "in.png"], "in.png: it is a file this run reads"),
            (
                ["sweep", "in.png", "--reference", "clean.png", "--plot", "clean.png"],
                "clean.png: it is a file this run",
            ),
            (
                ["sweep", "in.png", "--reference", "cleans", "--plot", "cleans/in.png", "--overwrite"],
                "it is a file this",
            ),
            (["sweep", "in.png", "--plot", "old.pdf"], "old.pdf: it exists"),
            (["sweep", "in.png", "--out", "full.jsonl"], "full.jsonl: it is not a regular file"),
            (["sweep", "in.png", "--out", "full.csv", "--overwrite"], "full.csv: it is not a regular file"),
            (["report", "full.jsonl"], "full.jsonl: it is not a file"),
        ):
            code, _, err = run(*arguments)
            assert code == 2, arguments
            assert message in err.splitlines()[-1]

    @pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
    def test_charts(self, run, here, ending):
        assert run(*COMMAND, "--plot", f"chart.{ending}")[0] == 0
        content = (here / f"chart.{ending}").read_bytes()
        assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending])
        if ending == "png":
            assert struct.unpack(">II", content[16:24]) > (1000, 400)

    def test_what_no_logarithm_has_is_not_drawn(self, run, here):
        """At lambda 0 the certified distance is 0."""
        code, _, err = run("sweep", "in.png", "-l", "0", "--trace", "--plot", "a.png", "--report", "a.html")
        assert (code, "a.png is not drawn: these runs have nothing to draw" in err) == (0, True)

    @pytest.mark.parametrize("option", ["--plot=a.png", "--report=a.html"])
    def test_without_the_extra(self, run, monkeypatch, option):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        message = (
            'tvdenoise: charts: Matplotlib is not installed; in the clone: pip install -c constraints.txt ".[plot]"\n'
        )
        assert run(*COMMAND, option) == (2, "", message)


def test_curves_leave_out_what_is_not_finite_and_need_several_lambdas():
    row = {"status": "done", "input": "a", "noise": None, "tv": "t", "color": "c", "optimizer": "o", "criterion": None}
    row |= {"axes": "YX", "shape": [9, 8], "chroma_given": None, "seed": None, "ssim_after": None, "trace": None}
    row |= {"noise_model": "gaussian"}
    assert plots.draw_figure([row | {"weight": 0.1, "psnr_after": 20.0}]) is None
    figure = plots.draw_figure(
        [row | {"weight": w, "psnr_after": p} for w, p in ((0.1, 20.0), (0.2, 22.0), (0.3, np.inf))]
    )
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[0.1, 20.0], [0.2, 22.0]]
    assert axes.lines[1].get_xydata().tolist() == [[0.2, 22.0]]


def test_the_course_of_the_first_picture_is_drawn_whatever_the_lambdas_of_others():
    trace = [{"step": step, "seconds": 0.1 * step, "rms_bound": 1 / step} for step in (1, 2)]
    row = {"status": "done", "noise": None, "tv": "t", "color": "c", "optimizer": "o", "criterion": "sure"}
    row |= {
        "axes": "YX",
        "shape": [9, 8],
        "chroma_given": None,
        "noise_model": "gaussian",
        "seed": None,
        "psnr_after": None,
        "ssim_after": None,
        "trace": trace,
    }
    figure = plots.draw_figure([row | {"input": name, "weight": weight} for name, weight in (("a", 0.1), ("b", 0.2))])
    (axes,) = figure.axes
    assert axes.lines[0].get_ydata().tolist() == [1.0, 0.5]
