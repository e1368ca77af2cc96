"""Rows and pictures as one HTML page that needs nothing else: it opens offline, and never solves."""

from tvdenoise.experiments.report.page import Exhibit, Images, NamedImages, make_page

__all__ = ["Exhibit", "Images", "NamedImages", "make_page"]
