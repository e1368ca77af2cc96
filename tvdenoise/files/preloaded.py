"""Importing this module loads what all workers need: the fork server does it once, before it forks."""

from tvdenoise.api import denoising
from tvdenoise.files import job
from tvdenoise.kernels import dispatch

__all__ = ["denoising", "dispatch", "job"]

dispatch.load()
