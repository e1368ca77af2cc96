"""Compiled inner loops for the CPU and for graphics cards, and the choice between them and torch."""
