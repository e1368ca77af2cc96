"""A grid of settings over pictures: one row for each combination, measured against the clean picture."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tvdenoise import __version__, images
from tvdenoise.api.aggregation import Figures
from tvdenoise.api.denoising import denoise_as_set
from tvdenoise.arrays import intensity
from tvdenoise.errors import ArrayError, DeviceError, PictureError, SettingError, TVDenoiseError, divergence
from tvdenoise.experiments.degradations import Noise
from tvdenoise.files.job import is_lack_of_memory, picture_columns
from tvdenoise.files.pages import denoise_page, page_settings, pages_of, read_reference
from tvdenoise.files.rows import TracePoint, TrialRow, figures_of, summed
from tvdenoise.images import Page, Picture, ReadOptions
from tvdenoise.images.picture import Distances
from tvdenoise.kernels import dispatch
from tvdenoise.options.kinds import FEW_CHANNELS
from tvdenoise.options.rules import Whole
from tvdenoise.options.settings import DEFAULTS, OPTIONS, Needs, Settings, check_option, default_model, flag_of
from tvdenoise.solvers.loop import Progress

if TYPE_CHECKING:
    from tvdenoise.files.metrics import Quality

Image = NDArray[np.generic] | Picture
PathLike = str | Path
IsKnown = Callable[[TrialRow], bool]


class Grid:
    """The values that settings take: every combination of them is tried.

    ``weight`` has some values of lambda. ``noise`` is what is added to the pictures, which are clean then, or None for
    pictures that are noisy already; each is drawn with each ``seed``. The other settings are those of
    :func:`tvdenoise.denoise`: some values of tv, color, chroma, strength and optimizer, and one value, the same for all
    runs, of any other. What needs another setting (chroma needs opponent colours, strength and sigma need the weight
    ``"auto"``) is tried where that has the value. Without a model all runs have the same: the one that comes out best
    where every weight is ``"auto"``, else that of :class:`tvdenoise.TotalVariation`.
    Raises SettingError if a value is impossible, TypeError if a setting is unknown.
    """

    def __init__(
        self,
        weight: Iterable[float | Literal["auto"]] = ("auto",),
        *,
        noise: Iterable[Noise | None] = (None,),
        seed: Iterable[int] = (0,),
        **settings: Any,  # noqa: ANN401 (each of its own type)
    ) -> None:
        unknown = settings.keys() - OPTIONS.keys()
        if unknown:
            raise TypeError(f"Grid() got an unexpected keyword argument {min(unknown)!r}")
        self.values: dict[str, tuple[Any, ...]] = {}
        for name, default in DEFAULTS.items():
            self.values[name] = (default,)
        for name, values in {"weight": weight, **settings}.items():
            several = _to_tuple(name, values) if OPTIONS[name].is_varied else (values,)
            self.values[name] = tuple(check_option(name, value) for value in several)
        # One model for all runs: they differ by what is listed, and by nothing else.
        for name, default in default_model(*self.values["weight"]).items():
            if self.values[name] == (None,):
                self.values[name] = (default,)
        self.noise: tuple[Noise | None, ...] = _to_tuple("noise", noise)
        seeds = _to_tuple("seed", seed)
        self.seed = tuple(Whole(0).check("seed", one) for one in seeds)
        are_noises = all(isinstance(one, Noise | None) for one in self.noise)
        if not are_noises:
            raise SettingError("noise", f"{self.noise} are not all a Noise, or None", "give such as Noise.read(text)")
        self.settings()  # which checks them

    def settings(self) -> list[Settings]:
        """Return the different combinations of what is asked of a run, lambda last."""
        needs: dict[str, Needs] = {}
        for name, option in OPTIONS.items():
            need = option.needs
            if need is None:
                continue
            is_met = any(value in need.values for value in self.values[need.name])
            is_given = set(self.values[name]) != {DEFAULTS[name]}
            if is_given and not is_met:
                remedy = need.remedy
                if OPTIONS[need.name].is_varied:
                    needed = flag_of(need.name).removeprefix("--")
                    remedy = f"let {need.values[0]} be among the values of {needed}, or leave {name} out"
                raise SettingError(name, need.problem, remedy)
            needs[name] = need
        names = sorted(OPTIONS, key=("weight", "strength").__contains__)
        found: dict[Settings, None] = {}
        for combination in itertools.product(*[self.values[name] for name in names]):
            values = dict(zip(names, combination, strict=True))
            for name, need in needs.items():
                if values[need.name] not in need.values:
                    values[name] = DEFAULTS[name]
            found[Settings(**values)] = None
        return list(found)

    def draws(self) -> Iterator[tuple[Noise | None, int | None]]:
        """Iterate over the noises and their seeds."""
        for noise in self.noise:
            if noise is None:
                yield None, None
            else:
                yield from itertools.product((noise,), self.seed)

    def __len__(self) -> int:
        """Return the number of rows per picture, at most: colour models of a gray one are the same."""
        draws = list(self.draws())
        return len(self.settings()) * len(draws)


def _to_tuple(name: str, values: Any) -> tuple[Any, ...]:  # noqa: ANN401 (of any kind)
    try:
        found = None if isinstance(values, str) else tuple(values)
    except TypeError:  # a number, or an array without axes
        found = None
    if found is None:
        raise SettingError(name, f"{values!r} is not several values", f"give such as ({values!r},)")
    if not found:
        raise SettingError(name, "there is no value", "leave it out")
    return found


@dataclass(frozen=True, eq=False)
class Specimen:
    """A picture and its clean version, if there is one.

    Both are arrays of integers, scaled by their type, or of floats on the unit scale; or what :meth:`read` found in
    files. Where noise is added to the picture, it is clean itself, and there is no reference. ``axes`` has a letter for
    each axis of the arrays, as ``--axes`` takes them: ``"TYX"`` for several pictures, ``"ZYX"`` for a volume, ``"CYX"``
    for channels that are no colours; by default (H, W), or (H, W, C) with at most 4 channels. ``spacing`` is the known
    distance between the slices of a volume, in pixel widths, or that and the distance between rows.
    Raises ArrayError if an array is empty, not finite, of no known range, or unlike the other, SettingError if axes or
    spacing are impossible.
    """

    name: str  # what rows call it
    image: Image
    reference: Image | None = None
    axes: str | None = None
    reference_name: str | None = None
    spacing: float | Distances | None = None

    def __post_init__(self) -> None:
        """Check both pictures."""
        Settings(volume=True, spacing=self.distances and (*self.distances, 1.0))  # which checks it
        shape = self.picture.content_shape
        clean_shape = shape if self.clean is None else self.clean.content_shape
        if clean_shape != shape:
            problem = f"its reference is of shape {clean_shape}, not {shape}"
            raise ArrayError(self.name, problem, "give the clean version of the same picture")

    @classmethod
    def read(cls, source: PathLike, reference: PathLike | None = None, options: ReadOptions = ReadOptions()) -> Self:
        """Read files, or raise TVDenoiseError if they cannot be read, differ in shape, or have pages that do."""
        file = images.read(Path(source), options)
        first, *others = file.parts
        if others:
            raise PictureError(source, "its pages differ in shape or type", "a sweep takes pages that are alike")
        specimen = cls(str(source), first.opaque, spacing=file.spacing)
        if reference is None:
            return specimen
        (clean,) = read_reference(Path(reference), file, file.format, options).parts
        return replace(specimen, reference=clean.opaque, reference_name=str(reference))

    @property
    def distances(self) -> Distances | None:
        """The distances between slices and between rows, if they are known."""
        if self.spacing is None or isinstance(self.spacing, tuple):
            return self.spacing
        return self.spacing, 1.0

    @cached_property
    def picture(self) -> Picture:
        """The picture, with its axes and its range."""
        return self._as_picture(self.image)

    @cached_property
    def clean(self) -> Picture | None:
        """The clean version."""
        if self.reference is None:
            return None
        return self._as_picture(self.reference)

    @cached_property
    def on_unit_scale(self) -> tuple[Picture, Picture | None]:
        """Both pictures on the unit scale."""
        return self.picture.on_unit_scale, self.clean and self.clean.on_unit_scale

    @cached_property
    def hashes(self) -> tuple[str, str | None]:
        """Those of both pictures, as rows have them."""
        picture, clean = self.on_unit_scale
        hash_of_clean = None if clean is None else _hash_picture(clean)
        return _hash_picture(picture), hash_of_clean

    def draw(self, noise: Noise | None, seed: int | None) -> "Draw":
        """Add noise, if any, to the picture, which is clean then."""
        picture, clean = self.on_unit_scale
        if noise is None:
            return Draw(picture, clean)
        unit: NDArray[Any] = picture.pixels
        noisy = replace(picture, pixels=noise.add_to(unit, seed or 0))
        return Draw(noisy, picture)

    def _as_picture(self, image: Image) -> Picture:
        if isinstance(image, Picture):
            return image
        if not isinstance(image, np.ndarray) or image.size == 0:
            raise ArrayError(self.name, "it is no array, or an empty one", "give a NumPy array of pixels")
        intensity.check_plain(self.name, image)
        intensity.check_type(self.name, image.dtype)
        intensity.check_finite(self.name, image)
        scale = intensity.type_range(image.dtype)
        picture = Picture(image, "YXS"[: image.ndim], scale=scale)
        if self.axes is not None:
            return picture.with_axes(self.axes)
        is_gray = image.ndim == 2
        is_colour = image.ndim == 3 and image.shape[2] <= FEW_CHANNELS
        if is_gray or is_colour:
            return picture
        problem = f"its {image.ndim} axes, of shape {image.shape}, may be anything"
        raise ArrayError(self.name, problem, "name them, as in axes='TYX'")


def sweep(
    specimens: Iterable[Specimen], grid: Grid, *, is_known: IsKnown | None = None, trace: bool = False
) -> Iterator[TrialRow]:
    """Run a grid over pictures and yield a row as each run ends; a run that fails yields one that says why.

    One picture at a time is kept. ``is_known`` says from its row whether a run is left out, such as
    ``lambda row: row.key in keys``. With ``trace`` rows have every certificate on the way.
    Raises DeviceError if the device is not there, SettingError if a picture that has a clean version is to get noise.

    Examples
    --------
    >>> import numpy as np
    >>> step = np.repeat([[0.2, 0.8]], 8, axis=1).repeat(16, axis=0)
    >>> grid = Grid(weight=(0.01, 0.1, 1.0), noise=(Noise("gaussian", 0.1),))
    >>> best = max(sweep([Specimen("step", step)], grid), key=lambda row: row.figures.psnr_after)
    >>> best.figures.weight
    0.1
    """
    for specimen in specimens:
        models = _list_models(grid, specimen)
        is_warm = False
        for noise, seed in grid.draws():
            draw = None
            for settings in models:
                row = _plan_row(specimen, settings, noise, seed, trace=trace)
                if is_known is not None and is_known(row):
                    continue
                if trace and not is_warm:
                    _warm_up(specimen, models)
                    is_warm = True
                # The noise is drawn once, and only if any run needs it.
                if draw is None:
                    dispatch.load()  # so that no row's seconds are those of slower code
                    draw = specimen.draw(noise, seed)
                yield _run(row, draw, settings, trace=trace)


def _list_models(grid: Grid, specimen: Specimen) -> list[Settings]:
    """Return the settings with the colour models and methods that they come to: of a gray picture fewer."""
    if specimen.clean is not None and any(grid.noise):
        problem = f"{specimen.name} has a clean version, and is not to get more"
        raise SettingError("noise", problem, "leave one of them out")
    models: dict[Settings, None] = {}
    for settings in grid.settings():
        model = settings
        with suppress(TVDenoiseError):  # which the run says
            model = page_settings(settings, specimen.picture, specimen.name, spacing=specimen.distances)
        models[replace(model, optimizer=model.method_name)] = None
    return list(models)


def _plan_row(
    specimen: Specimen, settings: Settings, noise: Noise | None, seed: int | None, *, trace: bool
) -> TrialRow:
    """Return the row of a run that is yet to be made, with a key of all that its result depends on."""
    is_clipped = noise and noise.is_clipped
    asked = dataclasses.asdict(settings)
    if settings.is_gaussian:  # so that rows keep the keys that they had before there were noise models
        del asked["noise_model"]
    values = list(asked.values())
    words = [*specimen.hashes, str(noise), is_clipped, seed, __version__, values, trace]
    row = TrialRow(
        input=specimen.name,
        output=None,
        status="failed",
        **picture_columns(specimen.picture),
        **settings.columns(),
        figures=Figures(range=specimen.picture.scale),
        key=_hash(json.dumps(words).encode()),
        hash=specimen.hashes[0],
        reference=specimen.reference_name,
        chroma_given=settings.chroma,
    )
    if noise is None:
        return row
    return replace(row, noise=str(noise), seed=seed, is_noise_clipped=noise.is_clipped)


def _warm_up(specimen: Specimen, models: Iterable[Settings]) -> None:
    """Load whatever is loaded when it is first used, so that no trace's clock sees it."""
    picture, _ = specimen.on_unit_scale
    dispatch.load()
    for settings in models:
        with suppress(TVDenoiseError):  # which the run says
            page = next(pages_of(picture, settings, specimen.name))
            corner = picture.unit(page)[..., :8, :8, :]
            denoise_as_set(corner, replace(settings, max_steps=1), channel_axis=-1)


@dataclass
class Draw:
    """A noisy picture and its clean version on the unit scale."""

    noisy: Picture
    clean: Picture | None
    _before: dict[str, "Quality"] = field(default_factory=dict)  # by the text of a page: slices have no hash

    def measure(self, page: Page, denoised: NDArray[np.floating]) -> tuple["Quality | None", "Quality | None"]:
        """Return how close a page was, and is, to the clean one."""
        if self.clean is None:
            return None, None
        from tvdenoise.files.metrics import quality  # scikit-image loads only where something is measured

        clean = self.clean.unit(page)
        place = str(page)
        if place not in self._before:
            self._before[place] = quality(clean, self.noisy.unit(page))
        return self._before[place], quality(clean, denoised)


def _run(row: TrialRow, draw: Draw, settings: Settings, *, trace: bool) -> TrialRow:
    """Return the row of a run that is made, or the reason why it failed."""
    try:
        return _run_pages(row, draw, settings, trace=trace)
    except DeviceError:  # no run can be made
        raise
    except TVDenoiseError as error:
        failure = error
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        failure = PictureError(row.input, "there is not memory enough for it", "free some, or take a part of it")
    subject = failure.subject
    if subject == "image":  # as checks of arrays call it
        subject = row.input
    weight = None if settings.weight == "auto" else settings.weight
    figures = replace(row.figures, color=settings.color, weight=weight)
    complaint = f"{subject}: {failure.problem}; {failure.remedy}"
    return replace(row, error=complaint, figures=figures)


def _run_pages(row: TrialRow, draw: Draw, settings: Settings, *, trace: bool) -> TrialRow:
    settings = page_settings(settings, draw.noisy, row.input)
    pages = list(pages_of(draw.noisy, settings, row.input))
    if trace and len(pages) > 1:
        raise SettingError("trace", f"{row.input} is {len(pages)} pictures, not one", "leave it out")
    points = []
    figures = []

    def note(progress: Progress) -> None:
        certificate = progress.certificate
        proven = (certificate.energy, certificate.gap, certificate.rms_bound)
        points.append(TracePoint(progress.step, progress.seconds, *proven))

    for page in pages:
        result = denoise_page(draw.noisy, page, settings, note)
        if result.stop == "non_finite":
            raise divergence(row.input, settings.method_name, result.steps)
        before, after = draw.measure(page, result.image)
        figures.append(figures_of(result, row.figures.range, before, after))
    row = replace(row, status="done", figures=summed(figures))
    if trace:
        row = replace(row, trace=tuple(points) or None)
    if len(figures) > 1:
        row = replace(row, pages=tuple(figures))
    return row


def _hash_picture(picture: Picture) -> str:
    pixels = picture.pixels
    kind = f"{picture.axes} {picture.is_cmyk} {picture.orientation}"
    words = f"{kind} {pixels.shape} {pixels.dtype} "
    values = np.ascontiguousarray(pixels).tobytes()
    return _hash(words.encode() + values)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
