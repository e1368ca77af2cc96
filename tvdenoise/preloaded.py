"""Loads what the processes of a batch share, once, before they part: importing this is all there is to it."""

from tvdenoise import denoising, engine, job

__all__ = ["denoising", "engine", "job"]

engine.load()
