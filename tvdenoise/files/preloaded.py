"""Loads what the processes of a batch share, once, before they part: importing this is all there is to it."""

from tvdenoise.api import denoising
from tvdenoise.files import job
from tvdenoise.kernels import dispatch

__all__ = ["denoising", "dispatch", "job"]

dispatch.load()
