"""Signals that ask to end: block Ctrl-C for other processes, and hold signals back while work must not break off."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# The signals that ask to end; Windows has no SIGHUP
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def block_sigint() -> Iterator[None]:
    """Block SIGINT for processes started inside; this thread receives at the end what came meanwhile.

    Ctrl-C goes to all processes of a terminal, and only the main one decides what happens.
    """
    if sys.platform == "win32":  # it has no signal masks
        yield
        return
    from multiprocessing import resource_tracker  # late: the command line's help needs the names of signals alone

    resource_tracker.ensure_running()  # started later, it would unblock SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # child processes inherit the mask
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def defer_signals(*signals: signal.Signals) -> Iterator[None]:
    """Hold these signals back until the block has ended, then handle them as usual."""
    if threading.current_thread() is not threading.main_thread():  # Python runs handlers in the main thread only
        yield
        return
    received: list[int] = []
    handlers = {}
    for number in signals:
        if signal.getsignal(number) is not None:  # None: set by a program around Python, which cannot put it back
            handlers[number] = signal.signal(number, lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for late in received:
            signal.raise_signal(late)
