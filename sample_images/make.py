"""Make the sample pictures from scikit-image's data: ``python sample_images/make.py``.

Adds Gaussian noise of standard deviation 0.1 on [0, 1] with a fixed seed, clips and rounds to 8 bits.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

HERE = Path(__file__).parent
SIGMA = 0.1
SEED = 0


def main() -> None:
    """Write each picture and its noisy copy beside this file."""
    for name, clean in {"camera": data.camera(), "astronaut": data.astronaut()}.items():
        noise = np.random.default_rng(SEED).normal(0, SIGMA, clean.shape)
        noisy = np.clip(clean / 255 + noise, 0, 1)
        Image.fromarray(clean).save(HERE / f"{name}.png", optimize=True)
        Image.fromarray(np.rint(noisy * 255).astype(np.uint8)).save(HERE / f"{name}_noisy.png", optimize=True)


if __name__ == "__main__":
    main()
