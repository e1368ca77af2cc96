"""A grid of settings over pictures: one row for each combination, measured against the clean picture."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvdenoise import __version__, colour, engine, intensity
from tvdenoise.denoising import denoise_as_set
from tvdenoise.errors import ArrayError, DeviceError, DivergenceError, SettingError, TVDenoiseError
from tvdenoise.intensity import Range
from tvdenoise.kinds import ColorChoice, TVKind
from tvdenoise.metrics import Quality, quality
from tvdenoise.noise import Noise
from tvdenoise.result import Result
from tvdenoise.rows import Figures, Row, figures_of
from tvdenoise.settings import Settings
from tvdenoise.solve import Progress


@dataclass(frozen=True)
class Grid:
    """The values that settings take: every combination of them is tried.

    Attributes
    ----------
    weight, tv, color, optimizer
        As in :class:`tvdenoise.settings.Settings`, some of each.
    noise
        What is added to the pictures, which are clean then; None for pictures that are noisy already.
    seed
        Of the noise; each noise is drawn with each.
    sigma, lr, tol, max_steps, device
        As in :class:`tvdenoise.settings.Settings`, the same for all; sigma goes with the weight ``"auto"`` alone.

    Raises
    ------
    SettingError
        If a value is impossible.
    """

    weight: tuple[float | Literal["auto"], ...] = ("auto",)
    tv: tuple[TVKind, ...] = ("anisotropic",)
    color: tuple[ColorChoice, ...] = ("rgb",)
    optimizer: tuple[str, ...] = ("auto",)
    noise: tuple[Noise | None, ...] = (None,)
    seed: tuple[int, ...] = (0,)
    sigma: float | None = None
    lr: float | None = None
    tol: float | None = None
    max_steps: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        """Check every setting."""
        list(self.settings())
        if any(not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0 for seed in self.seed):
            raise SettingError("seed", f"{self.seed} are not whole numbers of 0 or more", "give such as (0, 1)")
        if not all(noise is None or isinstance(noise, Noise) for noise in self.noise):
            raise SettingError("noise", f"{self.noise} are not all a Noise, or None", "give such as Noise.read(text)")

    def settings(self) -> Iterator[Settings]:
        """Iterate over the combinations of what is asked of a run, lambda last."""
        for tv, color, optimizer, weight in itertools.product(self.tv, self.color, self.optimizer, self.weight):
            yield Settings(
                weight,
                tv=tv,
                color=color,
                sigma=self.sigma if weight == "auto" else None,
                optimizer=optimizer,
                lr=self.lr,
                tol=self.tol,
                max_steps=self.max_steps,
                device=self.device,
            )

    def draws(self) -> Iterator[tuple[Noise | None, int | None]]:
        """Iterate over the noises and their seeds."""
        for noise in self.noise:
            yield from ((noise, seed) for seed in (self.seed if noise else (None,)))

    def __len__(self) -> int:
        """Return the number of rows per picture."""
        runs = len(self.tv) * len(self.color) * len(self.optimizer) * len(self.weight)
        return runs * sum(1 for _ in self.draws())


@dataclass(frozen=True)
class Specimen:
    """A picture (H, W) or (H, W, C) under a name: integers scaled by their type, or floats on the unit scale.

    ``reference`` is its clean version, alike; the picture itself is clean where noise is added to it. What that is
    called, and ``dtype`` and ``range`` of the file the picture comes from, are told in rows; left out, the image's.

    Raises
    ------
    ArrayError
        If one of them is no array that has an intensity range, or is empty, or their shapes differ.
    """

    name: str
    image: NDArray[np.generic]
    reference: NDArray[np.generic] | None = None
    reference_name: str | None = None
    dtype: str | None = None
    range: Range | None = None

    def __post_init__(self) -> None:
        """Check both arrays."""
        for image in [self.image] if self.reference is None else [self.image, self.reference]:
            if not isinstance(image, np.ndarray) or image.size == 0:
                raise ArrayError(self.name, "it is no array, or an empty one", "give a NumPy array of pixels")
            intensity.check_type(self.name, image.dtype)
            if image.shape != self.image.shape:
                problem = f"its reference is of shape {image.shape}, not {self.image.shape}"
                raise ArrayError(self.name, problem, "give the clean version of the same picture")


@dataclass(frozen=True)
class TrialRow(Row):
    """The row of one run of a sweep: that of a job, and what tells it from others.

    PSNR and SSIM are those of unclipped floats on the unit scale: ``data_range`` is 1, ``is_clipped`` false.

    Attributes
    ----------
    key
        What the run depends on (pictures, noise, seed, settings, version) as a hash: equal keys mean equal results, but
        for the last digits of sums.
    hash
        The picture before noise is added, as a hash.
    reference
        What the clean picture is called, if noise was not added to it.
    noise, seed
        What was added to it.
    is_noise_clipped
        Whether the noisy picture was clipped to [0, 1].
    trace
        For each certificate step, seconds, energy, gap and certified distance, if asked for.
    """

    key: str = ""
    hash: str = ""
    reference: str | None = None
    noise: str | None = None
    seed: int | None = None
    is_noise_clipped: bool = False
    data_range: float = 1.0
    is_clipped: bool = False
    trace: tuple[dict[str, float], ...] | None = None


def sweep(
    specimens: Iterable[Specimen],
    grid: Grid,
    *,
    is_known: "Callable[[TrialRow], bool]" = lambda _: False,
    trace: bool = False,
) -> Iterator[TrialRow]:
    """Run a grid over pictures and yield a row as each run ends; a run that fails yields one that says why.

    Parameters
    ----------
    specimens
        The pictures, each of which is let go before the next is asked for.
    grid
        The settings.
    is_known
        Asked with a row that is yet to be made whether it need not be: one of the same ``key`` is there, say.
    trace
        Whether rows tell every certificate on the way.

    Examples
    --------
    >>> import numpy as np
    >>> step = np.repeat([[0.2, 0.8]], 8, axis=1).repeat(16, axis=0)
    >>> grid = Grid(weight=(0.01, 0.1, 1.0), noise=(Noise("gaussian", 0.1),))
    >>> best = max(sweep([Specimen("step", step)], grid), key=lambda row: row.figures.psnr_after)
    >>> best.figures.weight
    0.1
    """
    if trace:
        _warm_up(grid)
    for specimen in specimens:
        image, reference = _unit(specimen.image), None if specimen.reference is None else _unit(specimen.reference)
        models = list(dict.fromkeys(_for_channels(settings, image) for settings in grid.settings()))
        digest, reference_digest = digest_of(image), None if reference is None else digest_of(reference)
        for noise, seed in grid.draws():
            draw: _Draw | None = None
            for settings in models:
                made_of = [digest, reference_digest, str(noise), noise and noise.is_clipped, seed, __version__]
                key = _hash(json.dumps([*made_of, dataclasses.astuple(settings), trace], default=_plain).encode())
                row = TrialRow(
                    input=specimen.name,
                    output=None,
                    status="failed",
                    shape=image.shape,
                    dtype=specimen.dtype or str(specimen.image.dtype),
                    range=specimen.range or intensity.type_range(specimen.image.dtype),
                    tv=settings.tv,
                    volume=False,
                    optimizer=settings.method_name,
                    key=key,
                    hash=digest,
                    reference=specimen.reference_name,
                    noise=None if noise is None else str(noise),
                    seed=seed,
                    is_noise_clipped=bool(noise and noise.is_clipped),
                )
                if is_known(row):
                    continue
                draw = draw or _Draw.of(image, reference, noise, seed)
                yield _run(row, draw, settings, trace=trace)


def _plain(number: object) -> float:
    """Return a number of NumPy as Python's, whole ones as such: the same settings are written the same."""
    return int(number) if isinstance(number, Integral) else float(number)  # type: ignore[arg-type]


def _for_channels(settings: Settings, image: NDArray[np.floating]) -> Settings:
    """Return the settings with the colour model and the method that they come to: those of a gray picture are one."""
    with suppress(ArrayError):  # which the run says
        channels = image.shape[-1] if image.ndim == 3 else 1
        settings = settings.with_color(colour.chosen(settings.color, channels))
    return dataclasses.replace(settings, optimizer=settings.method_name)


def _warm_up(grid: Grid) -> None:
    """Load whatever the methods load when they are first used, so that no trace's clock sees it."""
    engine.load()
    for optimizer in grid.optimizer:
        denoise_as_set(np.eye(4, dtype=np.float32), Settings(0.1, optimizer=optimizer, max_steps=1, device=grid.device))


@dataclass(frozen=True)
class _Draw:
    """A noisy picture, its clean version, and how close they are, which is measured once."""

    noisy: NDArray[np.floating]
    clean: NDArray[np.floating] | None
    before: Quality | None

    @classmethod
    def of(
        cls, image: NDArray[np.floating], reference: NDArray[np.floating] | None, noise: Noise | None, seed: int | None
    ) -> "_Draw":
        """Draw the noise, if any."""
        noisy, clean = (image, reference) if noise is None else (noise.added_to(image, seed or 0), image)
        return cls(noisy, clean, None if clean is None else quality(clean, noisy))


def _run(row: TrialRow, draw: _Draw, settings: Settings, *, trace: bool) -> TrialRow:
    steps: list[dict[str, float]] = []

    def note(progress: Progress) -> None:
        proof = progress.certificate
        steps.append(
            {
                "step": progress.step,
                "seconds": progress.seconds,
                "energy": proof.energy,
                "gap": proof.gap,
                "rms_bound": proof.rms_bound,
            }
        )

    try:
        axis = -1 if draw.noisy.ndim == 3 else None
        result: Result[NDArray[Any]]
        result = denoise_as_set(draw.noisy, settings, channel_axis=axis, callback=note if trace else None)
        if result.status == "non_finite":
            raise DivergenceError(row.input, settings.method_name, result.steps)
    except DeviceError:  # no run can be made
        raise
    except TVDenoiseError as error:
        figures = Figures(weight=None if settings.weight == "auto" else settings.weight, color=settings.color)
        subject = row.input if error.subject == "image" else error.subject
        return dataclasses.replace(row, error=f"{subject}: {error.problem}; {error.remedy}", figures=figures)
    after = None if draw.clean is None else quality(draw.clean, result.image)
    return dataclasses.replace(
        row,
        status="done",
        figures=figures_of(result, draw.before, after),
        trace=tuple(steps) if trace else None,
    )


def _unit(image: NDArray[np.generic]) -> NDArray[np.floating]:
    intensity.check_type("image", image.dtype)
    return intensity.to_unit(image, intensity.type_range(image.dtype))


def digest_of(image: NDArray[np.generic]) -> str:
    """Return a hash of a picture's values, shape and type."""
    return _hash(f"{image.shape} {image.dtype} ".encode() + np.ascontiguousarray(image).tobytes())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
