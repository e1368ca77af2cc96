"""Make the sample pictures from scikit-image's data: ``python sample_images/make.py``.

Adds Gaussian noise of standard deviation 0.1 on [0, 1] with a fixed seed, clips and rounds to 8 bits; then denoises the
gray one with tvdenoise's defaults and draws a part of it before and after, for the README.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from tvdenoise import denoise

HERE = Path(__file__).parent
SIGMA = 0.1
SEED = 0
LAMBDA = 0.1
PART = np.s_[60:360, 100:500]


def main() -> None:
    """Write each picture and its noisy copy beside this file, and the picture of the README."""
    for name, clean in {"camera": data.camera(), "astronaut": data.astronaut()}.items():
        noise = np.random.default_rng(SEED).normal(0, SIGMA, clean.shape)
        noisy = np.rint(np.clip(clean / 255 + noise, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(clean).save(HERE / f"{name}.png", optimize=True)
        Image.fromarray(noisy).save(HERE / f"{name}_noisy.png", optimize=True)
        if name == "camera":
            gap = np.full((PART[0].stop - PART[0].start, 8), 255, np.uint8)
            pair = np.hstack([noisy[PART], gap, denoise(noisy, LAMBDA).image[PART]])
            Image.fromarray(pair).save(HERE / "before_after.png", optimize=True)


if __name__ == "__main__":
    main()
