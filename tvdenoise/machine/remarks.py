"""Remarks on how the work is done, such as that an accelerator lacks memory: ``-v`` shows them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_remarks: list[str] = []


def remark(text: str) -> None:
    """Keep a remark, and log it for those who listen; what was remarked before is not repeated."""
    if text not in _remarks:
        _remarks.append(text)
        logging.getLogger("tvdenoise").info(text)


def remarks() -> list[str]:
    """Return the remarks that this process has made, oldest first."""
    return list(_remarks)


@contextmanager
def capture() -> Iterator[list[str]]:
    """Collect the remarks of a block in a list of its own, apart from those of the process."""
    global _remarks
    before, _remarks = _remarks, []
    try:
        yield _remarks
    finally:
        _remarks = before
