"""Which file becomes which: laws of a plan, and every clash refused."""

import itertools
import os
import re
import unicodedata
from pathlib import Path

import pytest

from tvdenoise.errors import InputError, OutputError, SettingError
from tvdenoise.files.plan import FileFilter, Naming, Plan, counterpart, plan_files

TREE = "b.png a.jpg sub/c.TIF sub/deep/d.npy sub/deep/a.jpg other/e.png notes.txt .hidden.png .git/f.png noend"


@pytest.fixture
def scans(tmp_path) -> Path:
    """A folder ``scans`` with pictures in subfolders, and files that are none."""
    root = tmp_path / "scans"
    for name in TREE.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def listing(plan: Plan, **options: tuple[int, int]) -> list[str]:
    return [pair.relative.as_posix() for pair in plan.pairs(**options)]


def results(plan: Plan, root: Path) -> list[str]:
    return [pair.target.relative_to(root).as_posix() for pair in plan.pairs()]


class TestSelection:
    def test_of_a_folder_the_pictures_in_it_by_name(self, scans):
        plan = plan_files([scans])
        assert listing(plan) == ["a.jpg", "b.png"]
        assert plan.overlooked == {"hidden": 2, ".txt (not read)": 1, "without an ending (not read)": 1}
        assert plan.subfolders == 2

    def test_a_tree_is_repeated(self, scans, tmp_path):
        plan = plan_files([scans], Naming(tmp_path / "out"), FileFilter(recursive=True))
        pictures = ["a.jpg", "b.png", "other/e.png", "sub/c.TIF", "sub/deep/a.jpg", "sub/deep/d.npy"]
        assert listing(plan) == pictures
        assert results(plan, tmp_path / "out") == pictures
        assert all(pair.source == scans / pair.relative for pair in plan.pairs())
        assert plan.overlooked == {"hidden": 2, ".txt (not read)": 1, "without an ending (not read)": 1}
        assert plan.subfolders == 0

    @pytest.mark.parametrize(
        ("include", "exclude", "expected"),
        [
            ("*.jpg", "", "a.jpg sub/deep/a.jpg"),
            ("*.jpg *.png", "", "a.jpg b.png other/e.png sub/deep/a.jpg"),
            ("sub/*", "", "sub/c.TIF sub/deep/a.jpg sub/deep/d.npy"),
            ("", "deep", "a.jpg b.png other/e.png sub/c.TIF"),
            ("", "sub/deep/", "a.jpg b.png other/e.png sub/c.TIF"),
            ("*.jpg", "deep", "a.jpg"),
            ("", "a.* sub/*", "b.png other/e.png"),
        ],
    )
    def test_patterns(self, scans, include, exclude, expected):
        file_filter = FileFilter(True, tuple(include.split()), tuple(exclude.split()))
        assert listing(plan_files([scans], file_filter=file_filter)) == expected.split()

    def test_patterns_in_the_manner_of_windows(self, monkeypatch):
        monkeypatch.setattr(os, "sep", "\\")
        assert FileFilter(include=("sub\\*",)).takes("sub/c.tif")
        assert not FileFilter(exclude=("deep\\",)).takes("deep")

    def test_links_are_followed_to_files_inside_alone(self, scans, tmp_path):
        (tmp_path / "outside.png").touch()
        (scans / "inside.png").symlink_to("b.png")
        (scans / "leaves.png").symlink_to(tmp_path / "outside.png")
        (scans / "loop").symlink_to(scans, target_is_directory=True)
        (scans / "folder.png").symlink_to("sub", target_is_directory=True)
        plan = plan_files([scans], file_filter=FileFilter(recursive=True))
        assert {"inside.png"} == {name for name in listing(plan) if "/" not in name} - {"a.jpg", "b.png"}
        assert len(plan) == 7
        assert plan.overlooked["links to folders or out of the folder"] == 3

    def test_files_that_are_named_are_taken_whatever_they_are_called(self, scans):
        plan = plan_files([scans / ".hidden.png", scans / "noend"], file_filter=FileFilter(exclude=("*",)))
        assert listing(plan) == [".hidden.png", "noend"]

    def test_a_list_keeps_its_folders_below_the_output(self, tmp_path, monkeypatch):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        listed = [Path("x/a.png"), Path("x/../y/a.png"), Path("../a.png"), tmp_path / "z" / "a.png"]
        plan = plan_files([], Naming(tmp_path / "out"), listed=listed)
        whole = tmp_path.relative_to("/")
        assert results(plan, tmp_path / "out") == ["x/a.png", "y/a.png", f"{whole}/a.png", f"{whole}/z/a.png"]


class TestNames:
    @pytest.mark.parametrize(
        ("naming", "expected"),
        [
            (Naming(), "a.b_denoised.png"),
            (Naming(suffix="_x"), "a.b_x.png"),
            (Naming(format="TIFF"), "a.b_denoised.tif"),
            (Naming(Path("out")), "a.b.png"),
            (Naming(Path("out"), suffix="_x", format="JPEG"), "a.b_x.jpg"),
        ],
    )
    def test_of_results(self, naming, expected):
        assert naming.target("a.b.png") == expected

    def test_an_ending_of_the_format_stays(self):
        assert Naming(Path("out"), format="TIFF").target("a.TIFF") == "a.TIFF"

    @pytest.mark.parametrize(
        ("name", "beside", "converted"),
        [
            ("a.ome.tif", "a_denoised.ome.tif", "a_denoised.png"),
            ("a.b.OME.TIFF", "a.b_denoised.OME.TIFF", "a.b_denoised.png"),
            ("a.fits.fz", "a_denoised.fits.fz", "a_denoised.png"),
            ("brain.nii.gz", "brain_denoised.nii.gz", "brain_denoised.png"),
            ("chr.ome.png", "chr.ome_denoised.png", "chr.ome_denoised.png"),
            (".ome.tif", ".ome_denoised.tif", ".ome_denoised.png"),
        ],
    )
    def test_double_endings_stay_whole(self, name, beside, converted):
        assert Naming().target(name) == beside
        assert Naming(format="PNG").target(name) == converted
        assert Naming(Path("out"), format="TIFF").target("a.ome.tif") == "a.ome.tif"

    def test_results_with_double_endings_are_no_pictures_of_the_next_run(self, tmp_path):
        for name in ("a.ome.tif", "a_denoised.ome.tif", "b.ome.tif", "b.ome_denoised.tif"):  # the last of old versions
            (tmp_path / name).touch()
        assert listing(plan_files([tmp_path])) == ["a.ome.tif", "b.ome.tif"]


@pytest.mark.parametrize("naming", [Naming(), Naming(suffix="_x", format="TIFF")])
@pytest.mark.parametrize("recursive", [False, True])
def test_results_beside_are_no_pictures_of_the_next_run(scans, naming, recursive):
    file_filter = FileFilter(recursive)
    first = plan_files([scans], naming, file_filter)
    for pair in first.pairs():
        pair.target.touch()
    second = plan_files([scans], naming, file_filter)
    assert list(second.pairs()) == list(first.pairs())
    assert second.overlooked[f"named as results are (*{naming.effective_suffix})"] == len(first)


def test_results_beside_their_pictures_are_none_elsewhere_either(scans, tmp_path):
    pictures = list(plan_files([scans], Naming(tmp_path / "out")).pairs())
    for pair in plan_files([scans]).pairs():
        pair.target.touch()
    (scans / "alone_denoised.png").touch()
    plan = plan_files([scans], Naming(tmp_path / "out"))
    expected = {pair.source.name for pair in pictures} | {"alone_denoised.png"}
    assert {pair.source.name for pair in plan.pairs()} == expected
    assert plan.overlooked["named as results are (*_denoised)"] == len(pictures)


class TestClashes:
    def refused(self, error, message, inputs, naming=Naming(), recursive=False, **options):
        with pytest.raises(error, match=message):
            plan_files(inputs, naming, FileFilter(recursive), **options)

    def set_apart(self, message, clashing, inputs, naming=Naming(), recursive=False):
        """Pictures that clash fail, each with a message, and no other does."""
        plan = plan_files(inputs, naming, FileFilter(recursive))
        assert sorted(pair.source.name for pair, _ in plan.clashes) == sorted(clashing)
        for pair, error in plan.clashes:
            assert re.search(message, str(error))
            assert str(error).startswith(f"{pair.source}: its result would be ")
        assert not {pair.source for pair, _ in plan.clashes} & {pair.source for pair in plan.pairs()}
        return listing(plan)

    def test_same_stem(self, scans, tmp_path):
        (scans / "a.png").touch()
        assert len(plan_files([scans], Naming(tmp_path / "out"))) == 3
        naming = Naming(tmp_path, format="TIFF")
        assert self.set_apart("rename one, or", ["a.jpg", "a.png"], [scans], naming) == ["b.png"]
        (scans / "a.webp").touch()
        assert self.set_apart(r"that of .*a\.jpg|that of .*a\.png", ["a.jpg", "a.png", "a.webp"], [scans], naming)

    @pytest.mark.parametrize("other", ["B.png", "B.PNG", "b.pnG"])
    def test_case(self, scans, tmp_path, other):
        (scans / other).touch()
        assert self.set_apart(r"(?i)that of .*b\.png", ["b.png", other], [scans], Naming(tmp_path / "out")) == ["a.jpg"]

    def test_forms_of_unicode(self, scans, tmp_path):
        names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
        for name in names:
            (scans / name).touch()
        assert self.set_apart("that of", names, [scans], Naming(tmp_path / "out")) == ["a.jpg", "b.png"]

    def test_case_of_folders(self, scans, tmp_path):
        (scans / "Other").mkdir()
        (scans / "Other" / "e.png").touch()
        others = self.set_apart("that of", ["e.png", "e.png"], [scans], Naming(tmp_path / "out"), recursive=True)
        assert len(others) == 5

    def test_two_folders_in_one(self, scans, tmp_path):
        inputs = [scans, scans / "sub" / "deep"]
        others = self.set_apart(r"that of .*a\.jpg", ["a.jpg", "a.jpg"], inputs, Naming(tmp_path / "out"))
        assert others == ["b.png", "d.npy"]
        assert len(plan_files(inputs)) == 4

    def test_pictures_of_which_nothing_is_written(self, tmp_path):
        for name in ("a.png", "A.PNG", "a_denoised.png"):
            (tmp_path / name).touch()
        names = [tmp_path / name for name in ("a.png", "A.PNG", "a.png", "A.PNG", "a_denoised.png", "./A.PNG")]
        plan = plan_files(names, are_written=False)
        assert [pair.source.name for pair in plan.pairs()] == ["a.png", "A.PNG", "a_denoised.png"]

    def test_the_same_twice(self, scans):
        once = plan_files([scans])
        for inputs in ([scans, scans / "a.jpg"], [scans / "a.jpg", scans], [scans, Path(os.path.relpath(scans))]):
            plan = plan_files(inputs)
            assert {pair.source.resolve() for pair in plan.pairs()} == {pair.source.resolve() for pair in once.pairs()}
            assert (len(plan), plan.overlooked["named twice"] > 0) == (len(once), True)

    def test_a_result_that_is_a_picture(self, scans):
        (scans / "a_denoised.jpg").touch()
        inputs = [scans / "a.jpg", scans / "a_denoised.jpg"]
        message = "another of the pictures to denoise; choose another --output or --suffix"
        assert self.set_apart(message, ["a.jpg"], inputs) == ["a_denoised.jpg"]
        assert self.set_apart(message, ["a.jpg"], [scans / "a.jpg"], Naming(scans)) == []
        for name in ("B.jpg", "B_denoised.jpg", "A_Denoised.jpg"):  # some systems take the last for the result of a.jpg
            (scans / name).touch()
        inputs = [scans / "B_denoised.jpg", scans / "B.jpg"]
        assert self.set_apart(message, ["B.jpg"], inputs) == ["B_denoised.jpg"]
        inputs = [scans / "A_Denoised.jpg", scans / "a.jpg"]
        assert self.set_apart(message, ["a.jpg"], inputs) == ["A_Denoised.jpg"]

    @pytest.mark.parametrize("naming", [Naming(suffix=""), Naming(suffix="", format="TIFF")])
    def test_results_beside_that_nothing_tells_from_pictures(self, scans, naming):
        self.refused(SettingError, r"suffix: .* the next run", [scans], naming)

    def test_results_in_the_input_folder_itself(self, scans):
        self.refused(SettingError, r"suffix: .* the next run", [scans], Naming(scans, format="TIFF"))
        naming = Naming(scans, suffix="_x")
        for pair in plan_files([scans], naming).pairs():
            pair.target.touch()
        assert listing(plan_files([scans], naming)) == ["a.jpg", "b.png"]

    def test_an_output_inside_a_tree_of_inputs(self, scans):
        message = r"out: it lies in .*scans.* --exclude out"
        self.refused(OutputError, message, [scans], Naming(scans / "out"), recursive=True)
        self.refused(OutputError, r"--exclude sub", [scans], Naming(scans / "sub" / "out"), recursive=True)
        assert len(plan_files([scans], Naming(scans / "out"))) == 2
        assert len(plan_files([scans], Naming(scans / ".out"), FileFilter(recursive=True))) == 6
        assert len(plan_files([scans], Naming(scans / "out"), FileFilter(recursive=True, exclude=("out",)))) == 6

    def test_a_link_to_a_tree_of_inputs(self, scans, tmp_path):
        (tmp_path / "elsewhere").symlink_to(scans / "sub", target_is_directory=True)
        self.refused(OutputError, r"it lies in", [scans], Naming(tmp_path / "elsewhere"), recursive=True)

    def test_nothing_there(self, scans, tmp_path):
        self.refused(InputError, "no such file", [tmp_path / "none"])
        (tmp_path / "empty").mkdir()
        self.refused(InputError, r"no picture in it \(\.png, .*--recursive", [tmp_path / "empty"])
        for name in ("a.NEF", "b.NEF", "c.HEIC"):
            (tmp_path / "empty" / name).touch()
        self.refused(InputError, r"but 2 \.NEF \(not read\), 1 \.HEIC \(not read\); check", [tmp_path / "empty"])
        with pytest.raises(InputError, match=r"subfolders that --include would take .*check the pattern"):
            plan_files([scans], file_filter=FileFilter(True, include=("*.gif",)))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may look into all folders")
    def test_a_folder_that_cannot_be_looked_into(self, scans):
        (scans / "sub").chmod(0)
        try:
            self.refused(InputError, r"sub: it cannot be looked into .* --exclude sub", [scans], recursive=True)
            assert len(plan_files([scans], file_filter=FileFilter(True, exclude=("sub",)))) == 3
        finally:
            (scans / "sub").chmod(0o700)


class TestShards:
    @pytest.mark.parametrize("parts", [1, 2, 3, 7])
    def test_part_the_plan(self, scans, parts):
        plan = plan_files([scans], file_filter=FileFilter(recursive=True))
        shards = [listing(plan, shard=(part, parts)) for part in range(1, parts + 1)]
        assert sorted(itertools.chain(*shards)) == sorted(listing(plan))

    def test_are_about_equal_and_do_not_depend_on_other_pictures(self, tmp_path):
        for i in range(300):
            (tmp_path / f"{i}.png").touch()
        before = [set(listing(plan_files([tmp_path]), shard=(part, 4))) for part in range(1, 5)]
        assert all(50 <= len(shard) <= 100 for shard in before)
        for i in range(0, 300, 3):
            (tmp_path / f"{i}.png").unlink()
        after = [set(listing(plan_files([tmp_path]), shard=(part, 4))) for part in range(1, 5)]
        assert all(less <= more for less, more in zip(after, before, strict=True))

    def test_part_numbered_names_as_evenly_as_chance(self, tmp_path):
        """Pearson's chi-squared of ten names in four parts is 3 on average; that of a checksum's parts is 17."""
        surprises = []
        for series in range(30):
            names = [Path(f"scan{series}_{i:02}.tif") for i in range(10)]
            plan = plan_files([], listed=names)
            counts = [len(listing(plan, shard=(part, 4))) for part in range(1, 5)]
            assert sum(counts) == 10
            surprises.append(sum((count - 2.5) ** 2 / 2.5 for count in counts))
        assert sum(surprises) / 30 < 5


def test_counterparts_have_the_same_path_and_any_format(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("sub/a.png", "b.tif", "b.png", "c.png", "d.ome.tif"):
        (tmp_path / name).touch()
    assert counterpart(tmp_path, Path("sub/a.jpg")) == tmp_path / "sub/a.png"
    assert counterpart(tmp_path, Path("b.tif")) == tmp_path / "b.tif"
    assert counterpart(tmp_path, Path("c.ome.tif")) == tmp_path / "c.png"
    assert counterpart(tmp_path, Path("d.png")) == tmp_path / "d.ome.tif"
    assert counterpart(tmp_path, Path("none.png")) == tmp_path / "none.png"
    assert counterpart(tmp_path / "b.tif", Path("sub/a.jpg")) == tmp_path / "b.tif"
