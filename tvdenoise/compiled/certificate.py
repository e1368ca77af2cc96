"""The sums of the certificate, and the picture it is about, in one pass each."""

from collections.abc import Sequence
from functools import partial

import numba
import numpy as np
from torch import Tensor

from tvdenoise.compiled import threads
from tvdenoise.compiled.rows import Array, as_fields, as_planes, compiled, project, subtract_adjoint
from tvdenoise.kinds import Group

summing = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
"""Sums may be taken in any order: the certificate allows for it."""


ROWS = 64
"""Rows that are a job: whatever the number of threads, sums are of the same parts."""


def centre(f: Tensor, p: Tensor, v: Tensor, out: Tensor) -> None:
    """Write (q + v) / 2 with q = f - D^T p into ``out``."""
    picture, other, result = as_planes(f, v, out)
    (field,) = as_fields(p)
    height = picture.shape[1]
    threads.run(
        [
            partial(_centre, picture, field, other, plane, top, min(top + ROWS, height), result)
            for plane in range(len(picture))
            for top in range(0, height, ROWS)
        ]
    )


def sums(f: Tensor, u: Tensor, p: Tensor, v: Tensor, groups: Sequence[Group], tv: str) -> list[float]:
    """Return E(u), E(v), d(p) and its magnitude, |u - q|^2, |v - q|^2 and |u - (v + q) / 2|^2."""
    pictures = as_planes(f, u, v)
    (field,) = as_fields(p)
    height = f.shape[-2]
    tops = range(0, height, ROWS)
    parts = np.zeros((len(groups), len(tops), 7))
    threads.run(
        [
            partial(_sums, *pictures, field, group, tv == "isotropic", top, min(top + ROWS, height), part)
            for group, row in zip(groups, parts, strict=True)
            for top, part in zip(tops, row, strict=True)
        ]
    )
    totals: list[float] = parts.sum((0, 1)).tolist()
    return totals


@compiled
def _centre(f: Array, p: Array, v: Array, plane: int, top: int, bottom: int, out: Array) -> None:
    w = f.shape[2]
    nothing = np.zeros(w, f.dtype)
    horizontal = np.zeros(w + 1, f.dtype)
    half = f.dtype.type(0.5)
    for i in range(top, bottom):
        q, average = out[plane, i], v[plane, i]
        for j in range(w):
            horizontal[j + 1] = p[1, plane, i, j]
        over = p[0, plane, i - 1] if i > 0 else nothing
        subtract_adjoint(f[plane, i], p[0, plane, i], over, horizontal, q)
        for j in range(w):
            q[j] = half * q[j] + half * average[j]


@summing
def _sums(
    f: Array, u: Array, v: Array, p: Array, group: Group, is_isotropic: bool, top: int, bottom: int, out: Array
) -> None:
    """Add what some rows add to E(u), E(v), d(p), its magnitude, |u - q|^2, |v - q|^2 and |u - (v + q) / 2|^2."""
    first, stride, planes, weight = group
    h, w = f.shape[1:]
    field = np.zeros((2, planes, 2, w + 1))
    scale = np.zeros(w + 1)
    for i in range(max(top - 1, 0), bottom):
        here, before = i % 2, (i - 1) % 2
        for c in range(planes):
            plane = first + c * stride
            vertical, horizontal = p[0, plane, i], p[1, plane, i]
            for j in range(w):
                field[0, c, here, j + 1] = vertical[j] if i < h - 1 else 0.0
                field[1, c, here, j + 1] = horizontal[j] if j < w - 1 else 0.0
        project(field, here, 0, 1, planes, weight, is_isotropic, scale)
        if i < top:
            continue
        for c in range(planes):
            plane = first + c * stride
            _distances(
                f[plane, i], u[plane, i], v[plane, i], field[0, c, here], field[0, c, before], field[1, c, here], out
            )
        under = min(i + 1, h - 1)
        out[0] += weight * _variation(u, first, stride, planes, i, under, is_isotropic, scale)
        out[1] += weight * _variation(v, first, stride, planes, i, under, is_isotropic, scale)


@summing
def _distances(f: Array, u: Array, v: Array, vertical: Array, over: Array, horizontal: Array, out: Array) -> None:
    """Add what needs no differences; the rows of the field start one place early, with a 0."""
    energy_u = energy_v = dual = magnitude = u_to_q = v_to_q = u_to_centre = 0.0
    for j in range(f.shape[0]):
        change = vertical[j + 1] - over[j + 1] + horizontal[j + 1] - horizontal[j]
        data, here, other = np.float64(f[j]), np.float64(u[j]), np.float64(v[j])
        q = data + change
        term = change * (data + q)
        energy_u += (here - data) * (here - data)
        energy_v += (other - data) * (other - data)
        dual += term
        magnitude += abs(term)
        u_to_q += (here - q) * (here - q)
        v_to_q += (other - q) * (other - q)
        from_centre = here - 0.5 * (other + q)
        u_to_centre += from_centre * from_centre
    out[0] += 0.5 * energy_u
    out[1] += 0.5 * energy_v
    out[2] -= 0.5 * dual
    out[3] += 0.5 * magnitude
    out[4] += u_to_q
    out[5] += v_to_q
    out[6] += u_to_centre


@summing
def _variation(
    u: Array, first: int, stride: int, planes: int, i: int, under: int, is_isotropic: bool, scale: Array
) -> float:
    """Return the total variation that starts in row ``i``, whose neighbour is the row ``under``."""
    w = u.shape[2]
    total = 0.0
    if planes == 1 and not is_isotropic:
        row, next_row = u[first, i], u[first, under]
        for j in range(w):
            total += abs(np.float64(next_row[j]) - np.float64(row[j]))
        for j in range(w - 1):
            total += abs(np.float64(row[j + 1]) - np.float64(row[j]))
        return total
    together = 2 if is_isotropic else 1
    for begin in range(0, 2, together):
        for j in range(w):
            scale[j] = 0
        for component in range(begin, begin + together):
            for c in range(planes):
                row, next_row = u[first + c * stride, i], u[first + c * stride, under]
                if component == 0:
                    for j in range(w):
                        d = np.float64(next_row[j]) - np.float64(row[j])
                        scale[j] += d * d
                else:
                    for j in range(w - 1):
                        d = np.float64(row[j + 1]) - np.float64(row[j])
                        scale[j] += d * d
        for j in range(w):
            total += np.sqrt(scale[j])
    return total
