"""Signals that ask to end: Ctrl-C goes to all processes of a terminal, of which one decides; and some work is whole."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that ask to end."""


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Block SIGINT: what is started inside never hears of Ctrl-C; this thread hears at the end of one that came."""
    if sys.platform == "win32":  # which has no such mask
        yield
        return
    from multiprocessing import resource_tracker  # late: the command line's help needs the names of signals alone

    resource_tracker.ensure_running()  # which would let them through when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which is inherited
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def deferred(*signals: signal.Signals) -> Iterator[None]:
    """Do something whole: what Python does on these signals, it does afterwards."""
    if threading.current_thread() is not threading.main_thread():  # which alone does it
        yield
        return
    came: list[int] = []
    known = [number for number in signals if signal.getsignal(number) is not None]  # not of a program around Python
    before = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)
