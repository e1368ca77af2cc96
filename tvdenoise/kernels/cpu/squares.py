r"""What alternating descent does to the rows of a picture and its field, compiled by numba.

A row holds its even columns first and its odd ones behind, so that neighbours lie side by side in two runs and several
squares are worked on at once. A ``field`` is its vertical and its horizontal component, and the same a step before.
"""

from tvdenoise.kernels.cpu.compilation import compiled, contracting
from tvdenoise.kernels.cpu.rows import Array, copy, find_rows


@compiled
def deinterleave(row: Array, buffer: Array) -> None:
    """Put the even columns of a row first, and the odd ones behind."""
    half = (row.shape[0] + 1) // 2
    copy(row, buffer)
    copy(buffer[::2], row[:half])
    copy(buffer[1::2], row[half:])


@compiled
def interleave(row: Array, buffer: Array) -> None:
    """Undo :func:`deinterleave`."""
    half = (row.shape[0] + 1) // 2
    copy(row, buffer)
    copy(buffer[:half], row[::2])
    copy(buffer[half:], row[1::2])


@compiled
def extrapolate_odd(u: Array, field: tuple[Array, ...], pair: int, k: int) -> None:
    """Extrapolate, for step ``k``, on the odd squares whose rows are 2 ``pair`` - 1 and 2 ``pair``."""
    down, right, old_down, old_right = field
    momentum = u.dtype.type((k - 1) / (k + 2))
    h, w = u.shape
    half = (w + 1) // 2
    first = slice(half, 2 * half - 1)  # the last odd column of an even width has no pixel to its right
    second = slice(1, half)
    i = 2 * pair - 1
    for row in find_rows(i, h):
        _extrapolate(u[row, first], u[row, second], right[row, first], old_right[row, first], momentum)
    if i >= 0 and i + 1 < h:
        _extrapolate(u[i], u[i + 1], down[i], old_down[i], momentum)


@compiled
def _extrapolate(a: Array, b: Array, x: Array, old: Array, momentum: float) -> None:
    for j in range(x.shape[0]):
        now = x[j]
        x[j] = now + momentum * (now - old[j])
        old[j] = now
        change = x[j] - now
        a[j] = a[j] + change
        b[j] = b[j] - change


@compiled
def solve(u: Array, down: Array, right: Array, i: int, weight: float) -> None:
    """Maximise d(p) over the squares whose rows are ``i`` and ``i`` + 1, of which one may be none."""
    h, w = u.shape
    half = (w + 1) // 2
    is_even = i % 2 == 0
    # The left and the right columns of the squares.
    if is_even:
        first = slice(0, w // 2)
        second = slice(half, w)
    else:
        first = slice(half, 2 * half - 1)
        second = slice(1, half)
    if i < 0 or i + 1 >= h:
        for row in find_rows(i, h):
            for _ in range(1 + is_even):
                _maximize_edges(u[row, first], u[row, second], right[row, first], weight)
        return
    corners = (u[i, first], u[i, second], u[i + 1, first], u[i + 1, second])
    edges = (right[i, first], right[i + 1, first], down[i, first], down[i, second])
    _solve(corners, edges, is_even, weight)
    # Single columns at the border are in no square.
    if not is_even:
        _maximize_edges(u[i, :1], u[i + 1, :1], down[i, :1], weight)
    if is_even == (w % 2 == 1):
        end = half if is_even else w
        alone = slice(end - 1, end)
        _maximize_edges(u[i, alone], u[i + 1, alone], down[i, alone], weight)


@contracting
def _maximize_edges(a_row: Array, b_row: Array, x_row: Array, weight: float) -> None:
    """Maximise d(p) over single edges."""
    for j in range(x_row.shape[0]):
        x_row[j], a_row[j], b_row[j] = _maximize_edge(x_row[j], a_row[j], b_row[j], weight)


@contracting
def _solve(corners: tuple[Array, ...], edges: tuple[Array, ...], is_even: bool, weight: float) -> None:
    """Maximise over the edges along rows, those across, and in even squares again those along."""
    a_row, b_row, c_row, d_row = corners
    over, under, left, right = edges
    for j in range(a_row.shape[0]):
        x, a, b = _maximize_edge(over[j], a_row[j], b_row[j], weight)
        y, c, d = _maximize_edge(under[j], c_row[j], d_row[j], weight)
        left[j], a, c = _maximize_edge(left[j], a, c, weight)
        right[j], b, d = _maximize_edge(right[j], b, d, weight)
        if is_even:
            x, a, b = _maximize_edge(x, a, b, weight)
            y, c, d = _maximize_edge(y, c, d, weight)
        over[j] = x
        under[j] = y
        a_row[j] = a
        b_row[j] = b
        c_row[j] = c
        d_row[j] = d


@contracting
def _maximize_edge(x: float, a: float, b: float, weight: float) -> tuple[float, float, float]:
    """Return the best value on an edge between two pixels, and the pixels that go with it."""
    half = type(weight)(0.5)  # such products are exact, so that it does not matter whether they are fused with sums
    best = min(max(x + half * (b - a), -weight), weight)
    return best, a + (best - x), b - (best - x)
