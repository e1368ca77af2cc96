"""PSNR and SSIM by scikit-image for pictures on the unit scale, with a data range of 1."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

SSIM_WINDOW = 11  # the width of the Gaussian window of standard deviation 1.5 (Wang et al. 2004)


class Quality(NamedTuple):
    """The PSNR in dB, infinite for equal pictures, and the SSIM, None for pictures smaller than its window."""

    psnr: float
    ssim: float | None


def quality(reference: NDArray[np.floating], image: NDArray[np.floating]) -> Quality:
    """Compare two pictures (H, W) or (H, W, C), or volumes (D, H, W, C), on the unit scale, unclipped.

    SSIM is that of Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment", IEEE Trans. Image Processing 13
    (2004): Gaussian weights, population covariance, mean over channels and slices.
    """
    with np.errstate(divide="ignore"):
        psnr = float(peak_signal_noise_ratio(reference, image, data_range=1.0))
    if reference.ndim == 4:  # slices become channels
        reference = np.concatenate(reference, axis=-1)
        image = np.concatenate(image, axis=-1)
    if min(reference.shape[:2]) < SSIM_WINDOW:
        return Quality(psnr, None)
    ssim = structural_similarity(
        reference,
        image,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if reference.ndim == 3 else None,
    )
    return Quality(psnr, float(ssim))
