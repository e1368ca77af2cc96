"""Make the sample pictures from scikit-image's data: ``python sample_images/make.py``.

Adds Gaussian noise of standard deviation 0.1 on [0, 1] with a fixed seed, clips and rounds to 8 bits; then draws a part
of the colour one for the README: noisy, denoised by scikit-image with the weight that is best against the clean
picture, by tvdenoise, which knows nothing of the clean one, and that one.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage import data
from skimage.metrics import peak_signal_noise_ratio
from skimage.restoration import denoise_tv_chambolle

from tvdenoise import denoise

HERE = Path(__file__).parent
SIGMA = 0.1
SEED = 0
PART = np.s_[:256, 96:336]
LINE = 20
GAP = 6

Pixels = NDArray[np.uint8]


def main() -> None:
    """Write each picture and its noisy copy beside this file, and the picture of the README."""
    pictures = {"camera": data.camera(), "astronaut": data.astronaut()}
    for name, clean in pictures.items():
        noise = np.random.default_rng(SEED).normal(0, SIGMA, clean.shape)
        noisy = np.rint(np.clip(clean / 255 + noise, 0, 1) * 255).astype(np.uint8)
        Image.fromarray(clean).save(HERE / f"{name}.png", optimize=True)
        Image.fromarray(noisy).save(HERE / f"{name}_noisy.png", optimize=True)
    panels = {
        "noisy": noisy,
        "scikit-image, best weight": _by_peer(clean, noisy),
        "tvdenoise": denoise(noisy).image,
        "clean original": clean,
    }
    _side_by_side(clean, panels).save(HERE / "before_after.png", optimize=True)


def _by_peer(clean: Pixels, noisy: Pixels) -> Pixels:
    answers = [denoise_tv_chambolle(noisy, weight, channel_axis=-1) for weight in np.geomspace(0.04, 0.2, 30)]
    bytes_ = (np.rint(np.clip(answer, 0, 1) * 255).astype(np.uint8) for answer in answers)
    return max(bytes_, key=lambda answer: peak_signal_noise_ratio(clean, answer, data_range=255))


def _side_by_side(clean: Pixels, panels: dict[str, Pixels]) -> Image.Image:
    height, width = clean[PART].shape[:2]
    sheet = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + LINE), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for i, (title, picture) in enumerate(panels.items()):
        x = i * (width + GAP)
        sheet.paste(Image.fromarray(picture[PART]), (x, LINE))
        label = title
        if picture is not clean:
            label += f": {peak_signal_noise_ratio(clean, picture, data_range=255):.2f} dB"
        draw.text((x + width / 2, 1), label, "black", font, anchor="ma")
        print(label)
    return sheet


if __name__ == "__main__":
    main()
