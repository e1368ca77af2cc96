"""Signals that wait until some work is whole."""

import signal

import pytest

from tvdenoise.machine.signals import ENDING, defer_signals


def test_what_comes_meanwhile_is_heard_afterwards():
    done = []

    def work() -> None:
        with defer_signals(*ENDING):
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done


def test_handlers_of_a_program_around_python_stay(monkeypatch):
    """They are none of Python's, which cannot put them back."""
    before = signal.getsignal(signal.SIGTERM)
    # Python itself can set no handler that it does not know.
    monkeypatch.setattr(signal, "getsignal", lambda _number: None)
    with defer_signals(signal.SIGTERM):
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGTERM) is before
