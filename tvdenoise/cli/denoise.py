"""``tvdenoise INPUT...``: denoise one picture or many."""

from tvdenoise.cli import options
from tvdenoise.cli.arguments import Arguments


def denoise_files(arguments: Arguments) -> int:
    """Remove noise from a picture and keep its edges, with a proof of how close the answer is to the exact one.

    Minimises 1/2 ||u - f||^2 + lambda TV(u) over pictures u, where f is the input with intensities in [0, 1].
    """
    from tvdenoise.cli import jobs  # NumPy and Pillow load there: --help does not wait for them

    return jobs.denoise_files(arguments)


command = options.with_settings(Arguments, denoise_files)
