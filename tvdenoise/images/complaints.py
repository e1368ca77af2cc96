"""What libraries say of damage that they can handle: collected, for they print it without the name of a file."""

import logging
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from tvdenoise.images.picture import Names

_LOGGERS = (logging.getLogger("tifffile"), logging.getLogger("imagecodecs"))
_MOST = 120  # characters

# Words of Python around those about the file: the call that failed, the kind of the error, and where an object lies.
_RAISED = re.compile(r"""^<[^<>]+> raised \w+\((['"])(?P<text>.*)\1\)$""")
_OBJECT = re.compile(r"<tifffile\.Tiff(?P<kind>\w+) (?P<number>\d+) @\d+>")


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect errors and warnings; what else is logged concerns programmers, or all interlaced PNGs."""
    said: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            said.append(record.getMessage())
        return False  # it goes no further

    with warnings.catch_warnings(record=True, action="ignore") as warned:
        warnings.simplefilter("always", UserWarning)
        for logger in _LOGGERS:
            logger.addFilter(collect)
        try:
            yield said
        finally:
            for logger in _LOGGERS:
                logger.removeFilter(collect)
            said += [str(warning.message) for warning in warned]


def describe(said: list[str]) -> Names:
    """Return a line about the first complaint, if there is one."""
    if not said:
        return ()
    text = _RAISED.sub(lambda match: match["text"], said[0])
    text = _OBJECT.sub(lambda match: f"{match['kind'].lower()} {match['number']}:", text)
    text = textwrap.shorten(text, _MOST)
    if not text.isprintable():
        text = "with stray bytes"
    return (f"its library finds fault with it and reads on ({text})",)
