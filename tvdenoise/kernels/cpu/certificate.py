"""The sums of the certificate, and the picture it is about, in one pass each."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from torch import Tensor

from tvdenoise.kernels.cpu import threads
from tvdenoise.kernels.cpu.compilation import compiled, inlined, summing
from tvdenoise.kernels.cpu.rows import Array, as_field, as_planes, copy, project, subtract_adjoint, subtract_adjoint_3d
from tvdenoise.options.kinds import Group

# Rows that are a job: whatever the number of threads, sums are of the same parts.
ROWS = 64
# The same for volumes.
SLICES = 8


def centre(f: Tensor, p: Tensor, v: Tensor, out: Tensor, spacing: float) -> None:
    """Write (q + v) / 2 with q = f - D^T p into ``out``."""
    picture, other, result = (as_planes(t, len(p)) for t in (f, v, out))
    field = as_field(p)
    height = picture.shape[1]
    width = f.shape[-1]
    rows = ROWS if len(p) == 2 else SLICES
    threads.run(
        [
            partial(_centre, picture, field, other, plane, width, spacing, top, min(top + rows, height), result)
            for plane in range(len(picture))
            for top in range(0, height, rows)
        ]
    )


def sums(f: Tensor, u: Tensor, p: Tensor, v: Tensor, groups: Sequence[Group], tv: str) -> list[float]:
    """Return E(u), E(v), d(p) and its magnitude, |u - q|^2, |v - q|^2 and |u - (v + q) / 2|^2."""
    pictures = tuple(as_planes(t, len(p)) for t in (f, u, v))
    field = as_field(p)
    height = pictures[0].shape[1]
    width = f.shape[-1]
    rows = ROWS if len(p) == 2 else SLICES
    tops = range(0, height, rows)
    parts = np.zeros((len(groups), len(tops), 7))
    threads.run(
        [
            partial(_sums, pictures, field, group, tv == "isotropic", width, top, min(top + rows, height), part)
            for group, row in zip(groups, parts, strict=True)
            for top, part in zip(tops, row, strict=True)
        ]
    )
    totals: list[float] = parts.sum((0, 1)).tolist()
    return totals


@compiled
def _centre(
    f: Array, p: Array, v: Array, plane: int, width: int, spacing: float, top: int, bottom: int, out: Array
) -> None:
    components = len(p)
    w = f.shape[2]
    nothing = np.zeros(w, f.dtype)
    # the 0 before the first pixel, and the zeros before the first line of a slice
    horizontal = np.zeros(w + 1, f.dtype)
    vertical = np.zeros(w + width, f.dtype)
    half = f.dtype.type(0.5)
    distance = f.dtype.type(spacing)
    for i in range(top, bottom):
        q = out[plane, i]
        average = v[plane, i]
        copy(p[components - 1, plane, i], horizontal[1:])
        over = p[0, plane, i - 1] if i > 0 else nothing
        if components == 2:
            subtract_adjoint(f[plane, i], p[0, plane, i], over, horizontal, q)
        else:
            copy(p[1, plane, i], vertical[width:])
            subtract_adjoint_3d(f[plane, i], p[0, plane, i], over, vertical, horizontal, width, distance, q)
        for j in range(w):
            q[j] = half * q[j] + half * average[j]


@summing
def _sums(
    images: tuple[Array, ...], p: Array, group: Group, is_isotropic: bool, width: int, top: int, bottom: int, out: Array
) -> None:
    """Add what some rows add to the sums that :func:`sums` returns."""
    f, u, v = images
    first, stride, planes, weight, spacing = group
    components = p.shape[0]
    last = components - 1
    h, w = f.shape[1:]
    density = 1.0 / spacing
    # each row starts with the zeros before the first pixel, or the first line of a slice
    field = np.zeros((components, planes, 2, w + width))
    scale = np.zeros(w + width)
    across = np.zeros(w)
    nothing = np.zeros(w)
    for i in range(max(top - 1, 0), bottom):  # the row above gives its field alone
        here = i % 2
        before = (i - 1) % 2
        for c in range(planes):
            _read_row(p, first + c * stride, i, width, field, c)
        project(field, here, Group(0, 1, planes, weight, spacing), is_isotropic, scale)
        if i < top:
            continue
        for c in range(planes):
            plane = first + c * stride
            through = field[0, c, here, width:]
            over = field[0, c, before, width:]
            along = field[last, c, here, width:]
            left = field[last, c, here, width - 1 :]
            if components == 3:
                down = field[1, c, here, width:]
                up = field[1, c, here]
                for j in range(w):
                    across[j] = density * (through[j] - over[j]) + down[j] - up[j]
                through = across
                over = nothing
            _distances(f[plane, i], u[plane, i], v[plane, i], through, over, along, left, out)
        under = min(i + 1, h - 1)
        out[0] += weight * _variation(u, group, components, i, under, is_isotropic, width, scale)
        out[1] += weight * _variation(v, group, components, i, under, is_isotropic, width, scale)


@inlined
def _read_row(p: Array, plane: int, i: int, width: int, field: Array, c: int) -> None:
    """Read row ``i`` of a plane of a field, and write 0 where differences would lead out of the picture."""
    here = i % 2
    last = p.shape[0] - 1
    copy(p[0, plane, i], field[0, c, here, width:])
    copy(p[last, plane, i], field[last, c, here, width:])
    if last == 2:
        copy(p[1, plane, i], field[1, c, here, width:])
        field[1, c, here, p.shape[3] :] = 0.0
    if i == p.shape[2] - 1:
        field[0, c, here] = 0.0
    field[last, c, here, 2 * width - 1 :: width] = 0.0


@summing
def _distances(
    f: Array, u: Array, v: Array, through: Array, over: Array, along: Array, left: Array, out: Array
) -> None:
    """Add what needs no differences of pictures, where q = f + through - over + along - left."""
    energy_u = energy_v = dual = magnitude = u_to_q = v_to_q = u_to_centre = 0.0
    for j in range(f.shape[0]):
        change = through[j] - over[j] + along[j] - left[j]
        data = np.float64(f[j])
        here = np.float64(u[j])
        other = np.float64(v[j])
        q = data + change
        term = change * (data + q)  # d(p) = -<q - f, q + f> / 2, where large intensities do not drown it
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
    u: Array, group: Group, components: int, i: int, under: int, is_isotropic: bool, width: int, scale: Array
) -> float:
    """Return the total variation that starts in row ``i``, whose neighbour is the row ``under``."""
    first, stride, planes, _, spacing = group
    w = u.shape[2]
    density = 1.0 / spacing
    total: float = 0.0
    if planes == 1 and not is_isotropic:  # as fast as it gets, for the most common cases
        row = u[first, i]
        next_row = u[first, under]
        total += density * _magnitudes(row, next_row)
        for start in range(0, w, width):
            total += _magnitudes(row[start : start + width - 1], row[start + 1 : start + width])
        total += _magnitudes(row[: w - width], row[width:])
        return total
    if planes == 1 and components == 2:
        total += _lengths(u[first, i], u[first, under])
        return total
    together = components if is_isotropic else 1
    for begin in range(0, components, together):
        for j in range(w):
            scale[j] = 0
        for component in range(begin, begin + together):
            for c in range(planes):
                row = u[first + c * stride, i]
                next_row = u[first + c * stride, under]
                if component == 0:
                    _add_squares(row, next_row, density, scale)
                elif component < components - 1:
                    _add_squares(row[: w - width], row[width:], 1.0, scale)
                else:
                    for start in range(0, w, width):
                        _add_squares(row[start : start + width - 1], row[start + 1 : start + width], 1.0, scale[start:])
        for j in range(w):
            total += np.sqrt(scale[j])
    return total


@summing
def _lengths(row: Array, under: Array) -> float:
    """Return the sum of the lengths of the differences that start in a row of a picture."""
    last = row.shape[0] - 1
    total = abs(np.float64(under[last]) - np.float64(row[last]))
    for j in range(last):
        x = np.float64(row[j + 1]) - np.float64(row[j])
        y = np.float64(under[j]) - np.float64(row[j])
        total += np.sqrt(x * x + y * y)
    return total


@summing
def _magnitudes(a: Array, b: Array) -> float:
    """Return the sum of |b - a|."""
    total = 0.0
    for j in range(b.shape[0]):
        total += abs(np.float64(b[j]) - np.float64(a[j]))
    return total


@summing
def _add_squares(a: Array, b: Array, factor: float, sums: Array) -> None:
    """Add the squares of factor (b - a)."""
    for j in range(b.shape[0]):
        d = factor * (np.float64(b[j]) - np.float64(a[j]))
        sums[j] += d * d
