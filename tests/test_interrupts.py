"""Signals that wait until some work is whole."""

import signal

import pytest

from tvdenoise.machine.signals import ENDING, deferred


def test_what_comes_meanwhile_is_heard_afterwards():
    done = []

    def work() -> None:
        with deferred(*ENDING):
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done


def test_handlers_of_a_program_around_python_stay(monkeypatch):
    """They are none of Python's, which cannot put them back."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "getsignal", lambda _number: None)
    with deferred(signal.SIGTERM):
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGTERM) is before
