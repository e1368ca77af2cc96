"""Sweeps of settings over pictures: noise to add, rows, tables, curves, and a page that shows them."""
