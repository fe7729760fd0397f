"""Kernels that paint the ground: sward and soil, water, roads, bare objects.

A block is (4, rows, columns) float32 of reflectance x 10000 in band order blue, green, red, near
infrared; its pixel centres lie at `x0 + column * step`, `y0 - row * step`. What is painted at a place
depends on the place alone, so that blocks fit whatever their size.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from slumpmap.demo.noise import Field, fbm_point, fbm_row

Block = NDArray[np.float32]
Plane = NDArray[np.float32]

# Rows of the 30 m fields under a scene.
LIGHT, MOISTURE, EAST, HEIGHT = range(4)
# Entries of a landscape's ground parameters, after green, straw and soil (4 each).
COVER, SWING, PATCH = 12, 13, 14
# Entries of an object's parameters.
(
    FLOOR, SOFT, MOTTLE, MOTTLE_M, FLOW, GRADIENT, SHADOW, SHADOW_M, RIM, RIM_M,
    RAGGED, WET, X, Y, UP_X, UP_Y, TOE, HEAD, OBJECT_PARAMETERS,
) = range(19)  # fmt: skip

# Grain of light and shade on the sward.
GRAIN = 0.065

_WARP_X, _WARP_Y, _COVER, _PATCH_A, _PATCH_B, _FINE, _TONE, _BARE, _SNOW, _RILL = range(501, 511)


@njit(cache=True)
def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


@njit(cache=True)
def ramp(low: float, high: float, value: float) -> float:
    """Linear from 0 at `low` to 1 at `high`, whichever is larger."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


@njit(cache=True)
def _sample(fields: NDArray[np.float32], row: float, column: float, out: Field) -> None:
    """Bilinear values of all fields at a place between their cells."""
    i = min(max(int(row), 0), fields.shape[1] - 2)
    j = min(max(int(column), 0), fields.shape[2] - 2)
    s, t = row - i, column - j
    for k in range(fields.shape[0]):
        low = fields[k, i, j] * (1.0 - t) + fields[k, i, j + 1] * t
        high = fields[k, i + 1, j] * (1.0 - t) + fields[k, i + 1, j + 1] * t
        out[k] = low * (1.0 - s) + high * s


@njit(cache=True)
def _ground_noise(
    noise: Field, x0: float, y: float, step: float, span: tuple[int, int], ground: Field, snows: bool, seed: int
) -> None:
    """One row of each noise of the ground, (10, columns); the first two warp the places of most others."""
    warp_x, warp_y, cover, patch_a, patch_b, fine, tone, bare, snow, rill = noise
    still = np.zeros(noise.shape[1])
    fbm_row(warp_x, x0, y, step, span, 260.0, 2, 0.5, seed + _WARP_X, still, still)
    fbm_row(warp_y, x0, y, step, span, 260.0, 2, 0.5, seed + _WARP_Y, still, still)
    for j in range(span[0], span[1]):
        warp_x[j] *= 26.0
        warp_y[j] *= 26.0
    fbm_row(cover, x0, y, step, span, 1900.0, 4, 0.55, seed + _COVER, warp_x, warp_y)
    fbm_row(patch_a, x0, y, step, span, ground[0, PATCH], 5, 0.74, seed + _PATCH_A, warp_x, warp_y)
    fbm_row(patch_b, x0, y, step, span, ground[1, PATCH], 4, 0.78, seed + _PATCH_B, warp_x, warp_y)
    fbm_row(fine, x0, y, step, span, 15.0, 3, 0.9, seed + _FINE, still, still)
    fbm_row(tone, x0, y, step, span, 800.0, 3, 0.5, seed + _TONE, warp_x, warp_y)
    fbm_row(bare, x0, y, step, span, 420.0, 5, 0.6, seed + _BARE, warp_x, warp_y)
    fbm_row(rill, x0, y, step, span, 520.0, 4, 0.5, seed + _RILL, warp_x, warp_y)
    if snows:
        fbm_row(snow, x0, y, step, span, 700.0, 5, 0.6, seed + _SNOW, warp_x, still)


@njit(cache=True)
def paint_ground(
    block: Block,
    shade: Plane,
    snow: Plane,
    frame: tuple[float, float, float],
    spans: NDArray[np.int64],
    fields: NDArray[np.float32],
    fields_frame: tuple[float, float, float],
    ground: Field,
    bare: tuple[float, float],
    season: tuple[float, float],
    seed: int,
) -> None:
    """Paints sward, bare soil and snow under the light of the terrain.

    Args:
        block: receives the reflectances.
        shade: (rows, columns) receives the light on the slope, 1 on flat ground.
        snow: (rows, columns) receives the snow cover, 0..1.
        frame: x0, y0, step of the block, metres.
        spans: (rows, 2) first column and one past the last to paint.
        fields: (4, r, c) light, moisture, eastness, height on a coarse grid.
        fields_frame: x0, y0, step of the fields, metres.
        ground: (2, 15) per landscape: green, straw, soil (4 bands each), cover, swing, patch wavelength.
        bare: threshold and strength of diffuse bare ground.
        season: greenness 0..1 and snow line (standard deviations of the snow noise; high: none).
        seed: of the corridor.
    """
    x0, y0, step = frame
    fx0, fy0, fstep = fields_frame
    noise = np.zeros((10, block.shape[2]))
    _, _, cover_n, patch_a, patch_b, fine, tone, bare_n, snow_n, rill = noise
    here = np.empty(fields.shape[0])
    for i in range(block.shape[1]):
        y = y0 - i * step
        span = (spans[i, 0], spans[i, 1])
        _ground_noise(noise, x0, y, step, span, ground, season[1] < 5.0, seed)
        for j in range(span[0], span[1]):
            _sample(fields, (fy0 - y) / fstep, (x0 + j * step - fx0) / fstep, here)
            # A ragged rather than a straight transition between the landscapes.
            east = _sigmoid(7.0 * (here[EAST] - 0.5 + 0.18 * patch_a[j]))
            patch = (1.0 - east) * patch_a[j] + east * patch_b[j]
            level = ground[0, COVER] + east * (ground[1, COVER] - ground[0, COVER])
            swing = ground[0, SWING] + east * (ground[1, SWING] - ground[0, SWING])
            opening = bare[1] * max(0.0, bare_n[j] - bare[0] + 0.25 * patch)
            # Water gathers along the zero lines of a noise: greener threads in the sward.
            thread = math.exp(-((rill[j] / 0.16) ** 2)) - 0.2
            uneven = swing * (0.55 * cover_n[j] + 0.75 * patch + 0.45 * fine[j])
            cover = _sigmoid(level + 0.8 * here[MOISTURE] + 0.8 * thread + uneven - opening)
            light = here[LIGHT] * (1.0 + GRAIN * fine[j] + 0.025 * patch - 0.025 * thread)
            white = ramp(season[1], season[1] + 0.5, snow_n[j] + 0.9 * here[HEIGHT])
            shade[i, j] = light
            snow[i, j] = white
            for k in range(4):
                soil = ground[0, 8 + k] + east * (ground[1, 8 + k] - ground[0, 8 + k])
                green = ground[0, k] + east * (ground[1, k] - ground[0, k])
                straw = ground[0, 4 + k] + east * (ground[1, 4 + k] - ground[0, 4 + k])
                sward = straw + season[0] * (green - straw)
                sward *= 1.0 + (0.05 if k < 3 else -0.05) * tone[j]
                value = (soil * (1.0 + 0.07 * tone[j]) * (1.0 - cover) + sward * cover) * light
                block[k, i, j] = value + white * (7600.0 - 350.0 * k - value)


@njit(cache=True)
def paint_object(
    block: Block,
    shade: Plane,
    frame: tuple[float, float, float],
    points: Field,
    head: Field,
    colour: Field,
    numbers: Field,
    seed: int,
) -> None:
    """Paints one bare object: floor, headwall shadow inside its edge, bright rim outside it.

    Args:
        block: reflectances, changed in place.
        shade: (rows, columns) light on the slope.
        frame: x0, y0, step of the block, metres.
        points: (n, 2) outline in map coordinates.
        head: (n,) how much of a headwall stands at each point, 0..1.
        colour: (4,) of the floor.
        numbers: (`OBJECT_PARAMETERS`,) see the constants.
        seed: of the texture.
    """
    x0, y0, step = frame
    reach = max(numbers[RIM_M], 2.0 * numbers[RAGGED]) + 2.0 * step
    top = max(0, math.floor((y0 - points[:, 1].max() - reach) / step))
    bottom = min(block.shape[1] - 1, math.ceil((y0 - points[:, 1].min() + reach) / step))
    left = max(0, math.floor((points[:, 0].min() - reach - x0) / step))
    right = min(block.shape[2] - 1, math.ceil((points[:, 0].max() + reach - x0) / step))
    for i in range(top, bottom + 1):
        for j in range(left, right + 1):
            x, y = x0 + j * step, y0 - i * step
            depth, wall = _edge(points, head, x, y)
            if depth < -reach:
                continue
            _paint_pixel(block, i, j, shade[i, j], x, y, depth, wall, colour, numbers, seed)


@njit(cache=True)
def _edge(points: Field, head: Field, x: float, y: float) -> tuple[float, float]:
    """Distance to the outline, positive inside, and the headwall weight of the nearest place on it."""
    nearest, wall, inside = 1e18, 0.0, False
    n = points.shape[0]
    for b in range(n):
        a = b - 1 if b else n - 1
        ax, ay, bx, by = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        ex, ey = bx - ax, by - ay
        t = min(1.0, max(0.0, ((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey)))
        dx, dy = x - ax - t * ex, y - ay - t * ey
        distance = dx * dx + dy * dy
        if distance < nearest:
            nearest, wall = distance, head[a] + t * (head[b] - head[a])
        if (ay > y) != (by > y) and x < ax + (y - ay) / ey * ex:
            inside = not inside
    nearest = math.sqrt(nearest)
    return (nearest if inside else -nearest), wall


@njit(cache=True)
def _paint_pixel(
    block: Block,
    i: int,
    j: int,
    light: float,
    x: float,
    y: float,
    depth: float,
    wall: float,
    colour: Field,
    numbers: Field,
    seed: int,
) -> None:
    """Blends one pixel of an object over the ground; `depth` is the distance inside its edge, metres."""
    east, north = x - numbers[X], y - numbers[Y]
    v = east * numbers[UP_X] + north * numbers[UP_Y]
    u = east * numbers[UP_Y] - north * numbers[UP_X]
    mottle = fbm_point(u, v, numbers[MOTTLE_M], 3, 0.7, seed)
    # Flow lines: noise stretched eight times along the slope.
    flow = 0.0
    if numbers[FLOW] > 0.0:
        flow = fbm_point(u + 5.0 * fbm_point(u, v, 60.0, 2, 0.6, seed + 2), 0.16 * v, 13.0, 3, 0.7, seed + 1)
    if numbers[RAGGED] > 0.0:
        depth += numbers[RAGGED] * fbm_point(u, v, 6.0 * numbers[RAGGED] + 6.0, 3, 0.7, seed + 3)
    rise = min(1.0, max(0.0, (v - numbers[TOE]) / (numbers[HEAD] - numbers[TOE])))
    factor = 1.0 + numbers[MOTTLE] * mottle + numbers[FLOW] * flow + numbers[GRADIENT] * (1.0 - 2.0 * rise)
    cover = ramp(-numbers[SOFT], numbers[SOFT], depth)
    # Where the floor is grown over, it shows in patches rather than as a veil.
    patch = ramp(-0.3, 0.9, mottle + 4.0 * (numbers[FLOOR] - 0.5) + 0.4)
    cover *= numbers[FLOOR] * (0.35 + 0.65 * patch)
    shadow = numbers[SHADOW] * wall * ramp(-1.5, 1.0, depth) * ramp(numbers[SHADOW_M], 0.6 * numbers[SHADOW_M], depth)
    rim = numbers[RIM] * wall * ramp(-numbers[RIM_M], -0.5 * numbers[RIM_M], depth) * ramp(1.0, -1.0, depth)
    if numbers[WET] > 0.0:
        hollow = ramp(0.4, 0.9, fbm_point(u, v, 32.0, 2, 0.5, seed + 4))
        shadow = max(shadow, numbers[WET] * hollow * ramp(1.0, 6.0, depth))
    for k in range(4):
        value = block[k, i, j]
        value += cover * (colour[k] * factor * light - value)
        value += min(1.0, 3.0 * rim) * (colour[k] * (1.0 + rim) * light - value)
        # Skylight keeps shadows bluish.
        block[k, i, j] = value * (1.0 - shadow * (0.8 if k == 0 else 1.0))


@njit(cache=True)
def line_distance(distance: Plane, frame: tuple[float, float, float], points: Field, half: float, reach: float) -> None:
    """Lowers `distance` (rows, columns; metres) to that from the edge of a line of half-width `half`.

    Pixels farther than `reach` from the line's axis keep their value; inside the line it is negative.
    """
    x0, y0, step = frame
    for n in range(points.shape[0] - 1):
        ax, ay, bx, by = points[n, 0], points[n, 1], points[n + 1, 0], points[n + 1, 1]
        top = max(0, math.floor((y0 - max(ay, by) - reach) / step))
        bottom = min(distance.shape[0] - 1, math.ceil((y0 - min(ay, by) + reach) / step))
        left = max(0, math.floor((min(ax, bx) - reach - x0) / step))
        right = min(distance.shape[1] - 1, math.ceil((max(ax, bx) + reach - x0) / step))
        ex, ey = bx - ax, by - ay
        length = max(1e-12, ex * ex + ey * ey)
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                x, y = x0 + j * step - ax, y0 - i * step - ay
                t = min(1.0, max(0.0, (x * ex + y * ey) / length))
                away = math.sqrt((x - t * ex) ** 2 + (y - t * ey) ** 2)
                if away <= reach:
                    distance[i, j] = min(distance[i, j], away - half)


@njit(cache=True)
def paint_river(
    block: Block, shade: Plane, frame: tuple[float, float, float], distance: Plane, soil: Field, seed: int
) -> None:
    """Paints water, gravel beside it in patches, and a greener verge, by the distance from the water's edge."""
    x0, y0, step = frame
    water = (520.0, 640.0, 560.0, 330.0)
    for i in range(distance.shape[0]):
        for j in range(distance.shape[1]):
            away = distance[i, j]
            if away > 60.0:
                continue
            x, y = x0 + j * step, y0 - i * step
            gravel = ramp(0.2, 1.0, fbm_point(x, y, 70.0, 3, 0.6, seed) + 0.9 - away / 14.0) * ramp(34.0, 20.0, away)
            wet = ramp(1.5, -1.5, away)
            for k in range(4):
                value = block[k, i, j]
                value += 0.75 * gravel * (soil[k] * shade[i, j] * 1.02 - value)
                block[k, i, j] = value + wet * (water[k] - value)


@njit(cache=True)
def paint_road(block: Block, distance: Plane, colour: Field, shoulder: float, strength: float) -> None:
    """Paints a road by the distance from its edge; the shoulder fades out over `shoulder` metres."""
    for i in range(distance.shape[0]):
        for j in range(distance.shape[1]):
            away = distance[i, j]
            if away < shoulder:
                cover = strength * ramp(shoulder, -1.5, away)
                for k in range(4):
                    block[k, i, j] += cover * (colour[k] - block[k, i, j])
