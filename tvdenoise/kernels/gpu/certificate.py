"""The picture that a certificate is about, and its sums in float64: one pass each."""

from collections.abc import Sequence

import torch
import triton.language as tl
from torch import Tensor

from tvdenoise.kernels.gpu.ascent import project
from tvdenoise.kernels.gpu.tiles import REGISTERS, SIZES, Tiling, jit, place
from tvdenoise.options.kinds import Group


def centre(f: Tensor, p: Tensor, v: Tensor, out: Tensor, _spacing: float) -> None:
    """Write (q + v) / 2 with q = f - D^T p into ``out``."""
    tiling = Tiling.of(f, 1, 0)
    planes = f.numel() // f.shape[-2:].numel()
    with torch.cuda.device_of(f):
        _centre[(planes * tiling.tiles,)](
            f,
            p,
            v,
            out,
            f.numel(),
            *f.shape[-2:],
            tiling.across,
            tiling.tiles,
            PLANES=tiling.planes,
            ROWS=tiling.rows,
            COLUMNS=tiling.columns,
            num_warps=tiling.warps,
        )


def sums(f: Tensor, u: Tensor, p: Tensor, v: Tensor, groups: Sequence[Group], tv: str) -> list[float]:
    """Return E(u), E(v), d(p) and its magnitude, |u - q|^2, |v - q|^2 and |u - (v + q) / 2|^2."""
    _, stride, planes, *_ = groups[0]
    weights = torch.tensor([group.weight for group in groups], dtype=torch.float64, device=f.device)
    tiling = Tiling.of(f, planes, 0, size=8)
    parts = torch.empty(len(groups) * tiling.tiles, 7, dtype=torch.float64, device=f.device)
    with torch.cuda.device_of(f):
        _sums[(len(parts),)](
            f,
            u,
            v,
            p,
            weights,
            parts,
            f.numel(),
            *f.shape[-2:],
            stride,
            planes,
            tiling.across,
            tiling.tiles,
            PLANES=tiling.planes,
            ROWS=tiling.rows,
            COLUMNS=tiling.columns,
            IS_ISOTROPIC=tv == "isotropic",
            num_warps=tiling.warps,
            maxnreg=REGISTERS,
        )
    totals: list[float] = parts.sum(0).tolist()
    return totals


@jit(do_not_specialize=SIZES)
def _centre(
    f_at,
    p_at,
    v_at,
    out_at,
    values,
    height,
    width,
    across,
    tiles,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    _, offsets, i, j, is_own, _ = place(height, width, 0, 1, across, tiles, 0, 0, PLANES, ROWS, COLUMNS)
    q = tl.load(f_at + offsets, is_own)
    q += tl.load(p_at + offsets, is_own) - tl.load(p_at + offsets - width, is_own & (i > 0), other=0.0)
    q += tl.load(p_at + values + offsets, is_own) - tl.load(p_at + values + offsets - 1, is_own & (j > 0), other=0.0)
    tl.store(out_at + offsets, 0.5 * q + 0.5 * tl.load(v_at + offsets, is_own), is_own)


@jit(do_not_specialize=SIZES)
def _sums(
    f_at,
    u_at,
    v_at,
    p_at,
    weights_at,
    parts_at,
    values,
    height,
    width,
    stride,
    planes,
    across,
    tiles,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    IS_ISOTROPIC: tl.constexpr,
):
    group, offsets, i, j, is_own, _ = place(height, width, stride, planes, across, tiles, 0, 0, PLANES, ROWS, COLUMNS)
    weight = tl.load(weights_at + group)
    f, u, v = _value(f_at + offsets, is_own), _value(u_at + offsets, is_own), _value(v_at + offsets, is_own)
    has_lower, has_right = is_own & (i < height - 1), is_own & (j < width - 1)
    down, right = _feasible(p_at, offsets, values, has_lower, has_right, weight, IS_ISOTROPIC, PLANES)
    above = is_own & (i > 0)
    over, _ = _feasible(p_at, offsets - width, values, above, above & has_right, weight, IS_ISOTROPIC, PLANES)
    beside = is_own & (j > 0)
    _, left = _feasible(p_at, offsets - 1, values, beside & has_lower, beside, weight, IS_ISOTROPIC, PLANES)
    change = down - over + right - left
    q = f + change
    # d(p) = -<q - f, q + f> / 2, where large intensities do not drown it.
    terms = change * (f + q)
    at = parts_at + tl.program_id(0) * 7
    variation_u = _variation(u, u_at, offsets, width, has_lower, has_right, IS_ISOTROPIC)
    variation_v = _variation(v, v_at, offsets, width, has_lower, has_right, IS_ISOTROPIC)
    tl.store(at, 0.5 * tl.sum((u - f) * (u - f)) + weight * variation_u)
    tl.store(at + 1, 0.5 * tl.sum((v - f) * (v - f)) + weight * variation_v)
    tl.store(at + 2, -0.5 * tl.sum(terms))
    tl.store(at + 3, 0.5 * tl.sum(tl.abs(terms)))
    tl.store(at + 4, tl.sum((u - q) * (u - q)))
    tl.store(at + 5, tl.sum((v - q) * (v - q)))
    from_centre = u - 0.5 * (v + q)
    tl.store(at + 6, tl.sum(from_centre * from_centre))


@jit
def _value(pointers, mask):
    return tl.load(pointers, mask, other=0.0).to(tl.float64)


@jit
def _feasible(p_at, offsets, values, has_lower, has_right, weight, IS_ISOTROPIC: tl.constexpr, PLANES: tl.constexpr):
    """Return the projected field, 0 where it does not count."""
    return project(
        _value(p_at + offsets, has_lower), _value(p_at + values + offsets, has_right), weight, IS_ISOTROPIC, PLANES
    )


@jit
def _variation(u, u_at, offsets, width, has_lower, has_right, IS_ISOTROPIC: tl.constexpr):
    down = tl.where(has_lower, _value(u_at + offsets + width, has_lower) - u, 0.0)
    right = tl.where(has_right, _value(u_at + offsets + 1, has_right) - u, 0.0)
    if IS_ISOTROPIC:
        total = tl.sum(tl.sqrt(tl.sum(down * down + right * right, 0)))
    else:
        total = tl.sum(tl.sqrt(tl.sum(down * down, 0))) + tl.sum(tl.sqrt(tl.sum(right * right, 0)))
    return total
