"""What is known of a denoised picture: what ``denoise`` returns."""

from dataclasses import dataclass, replace
from typing import Generic

from tvdenoise.arrays.planes import Image
from tvdenoise.options.kinds import ColorKind
from tvdenoise.solvers.loop import Status


@dataclass(frozen=True, eq=False)
class Result(Generic[Image]):
    """A denoised picture or volume, or a stack of them, and what is proven about it.

    Attributes
    ----------
    image
        Of the kind, shape and type of the input.
    stop
        Why it stopped: ``"tolerance"`` (certified: ``rms_bound`` is at most ``tol``; with the noise models laplace and
        poisson ``gap`` is at most ``tol`` times ``energy``), ``"precision"`` (as close as the arithmetic, or the type
        of the image, allows), ``"max_steps"`` or ``"non_finite"``. The image is the best seen, of a method on the dual
        the last, or the best since a tenth of its step limit.
    steps
        Steps taken at full size; in a stack the largest number.
    energy
        E(u) on the unit scale, before u is rounded to the type of the image; in a stack the sum.
    gap
        E(u) - d(p), at least E(u) - E(u*), likewise; in a stack the sum.
    rms_bound
        The certified RMS distance to the exact minimiser as a fraction of the intensity range: of floats with their
        rounding to the type of the image, which may exceed ``tol``; of integers before they are rounded, and clipped to
        the range of their type, which opponent colours may leave. Not counted is what scaling integers to float32
        moves, 6e-8 at most. In a stack the largest. None where none is known: with the noise model laplace, and with
        poisson unless every count is above 0.
    range
        The numbers of the image that stand for 0 and 1; in a stack those of its first picture.
    tol
        The tolerance that was to be reached; in a stack the largest.
    seconds
        Time spent in steps, those at coarser sizes among them, without certifying.
    device
        Where it was solved.
    weight
        Lambda; in a stack the mean.
    color
        The colour model used.
    chroma
        The weight of the chroma channels as a multiple of lambda; None but for the opponent model. In a stack the mean.
    sigma
        The standard deviation of the noise, if lambda was chosen by it; in a stack the mean of the estimates.
    risk
        Stein's estimate of the mean squared error, if lambda was chosen by it; chance may bring it below 0.
    is_noise_correlated
        Whether neighbouring pixels were found to share noise; None where the noise was not estimated.
    is_noise_signal_dependent
        Whether the noise was found to change with the intensity, as where photons are counted, so that ``sigma`` is its
        root mean square; None where the noise was not estimated.
    pages
        For a stack, the result of each of its pictures or volumes; else empty.
    """

    image: Image
    stop: Status
    steps: int
    energy: float
    gap: float
    rms_bound: float | None
    range: tuple[float, float]
    tol: float
    seconds: float
    device: str
    weight: float
    color: ColorKind
    chroma: float | None = None
    sigma: float | None = None
    risk: float | None = None
    is_noise_correlated: bool | None = None
    is_noise_signal_dependent: bool | None = None
    pages: "tuple[Result[Image], ...]" = ()

    def with_rounding(self, distance: float) -> "Result[Image]":
        """Return the result for an image that rounding has moved by so much, RMS."""
        if self.rms_bound is None:
            return self
        bound = self.rms_bound + distance
        if self.stop == "tolerance" and self.rms_bound <= self.tol < bound:
            return replace(self, rms_bound=bound, stop="precision")
        return replace(self, rms_bound=bound)

    @property
    def status(self) -> Status:
        """The older name of ``stop``."""
        return self.stop
