r"""What alternating descent does to the rows of a picture and its field, compiled by numba.

A row holds its even columns first and its odd ones behind, so that neighbours lie side by side in two runs and several
squares are worked on at once. A ``field`` is its vertical and its horizontal component, and the same a step before.
"""

from tvdenoise.kernels.cpu.compilation import compiled, contracting
from tvdenoise.kernels.cpu.rows import Array, clamp, copy, find_rows


@compiled
def deinterleave(row: Array, buffer: Array) -> None:
    """Put the even columns of a row first, and the odd ones behind."""
    half = (len(row) + 1) // 2
    copy(row, buffer)
    copy(buffer[::2], row[:half])
    copy(buffer[1::2], row[half:])


@compiled
def interleave(row: Array, buffer: Array) -> None:
    """Undo :func:`deinterleave`."""
    half = (len(row) + 1) // 2
    copy(row, buffer)
    copy(buffer[:half], row[::2])
    copy(buffer[half:], row[1::2])


@compiled
def extrapolate_odd(u: Array, field: tuple[Array, ...], pair: int, k: int) -> None:
    """Extrapolate, for step ``k``, on the odd squares whose rows are 2 ``pair`` - 1 and 2 ``pair``."""
    down, right, old_down, old_right = field
    momentum = (k - 1) / (k + 2)
    rounded = u.dtype.type(momentum)
    h, w = u.shape
    half = (w + 1) // 2
    first = slice(half, 2 * half - 1)  # the last odd column of an even width has no pixel to its right
    second = slice(1, half)
    i = 2 * pair - 1
    for row in find_rows(i, h):
        a = u[row, first]
        b = u[row, second]
        _extrapolate(a, b, right[row, first], old_right[row, first], rounded)
    if i >= 0 and i + 1 < h:
        _extrapolate(u[i], u[i + 1], down[i], old_down[i], rounded)


@compiled
def _extrapolate(a: Array, b: Array, x: Array, old: Array, momentum: float) -> None:
    for j in range(len(x)):
        now = x[j]
        x[j] = now + momentum * (now - old[j])
        old[j] = now
        change = x[j] - now
        a[j] += change
        b[j] -= change


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
    row = u[i]
    under = u[i + 1]
    across = down[i]
    corners = (row[first], row[second], under[first], under[second])
    edges = (right[i, first], right[i + 1, first], across[first], across[second])
    _solve(corners, edges, is_even, weight)
    # Single columns at the border are in no square.
    if not is_even:
        _maximize_edges(row[:1], under[:1], across[:1], weight)
    is_odd_width = w % 2 == 1
    if is_even == is_odd_width:
        end = half if is_even else w
        alone = slice(end - 1, end)
        _maximize_edges(row[alone], under[alone], across[alone], weight)


@contracting
def _maximize_edges(a_row: Array, b_row: Array, x_row: Array, weight: float) -> None:
    """Maximise d(p) over single edges."""
    for j in range(len(x_row)):
        x, a, b = _maximize_edge(x_row[j], a_row[j], b_row[j], weight)
        x_row[j] = x
        a_row[j] = a
        b_row[j] = b


@contracting
def _solve(corners: tuple[Array, ...], edges: tuple[Array, ...], is_even: bool, weight: float) -> None:
    """Maximise over the edges along rows, those across, and in even squares again those along."""
    a_row, b_row, c_row, d_row = corners
    over, under, left, right = edges
    for j in range(len(a_row)):
        a = a_row[j]
        b = b_row[j]
        c = c_row[j]
        d = d_row[j]
        x, a, b = _maximize_edge(over[j], a, b, weight)
        y, c, d = _maximize_edge(under[j], c, d, weight)
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
    best = clamp(x + half * (b - a), weight)
    change = best - x
    return best, a + change, b - change
