"""Where water runs: depressions filled, D8 directions, catchments, channels, orders, reaches, distances.

Arrays in, arrays out. Drainage is global - a cell's catchment may reach across any tile - so the functions take
whole rasters, and the results cannot depend on tiling. All are O(n), filling O(n log n).

Memory per cell, float32: `fill` 9 B (elevations, filled elevations, marks) and its heap, at worst 12, in practice the
front of the flood only; `directions` 9 B and 8 where there are flats; `accumulate` 10 B; `distance_to` 9 B. Beyond 2^31
cells indices would overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The eight neighbours, code 0 to 7: E, SE, S, SW, W, NW, N, NE. Of equal descents the first is taken.
ROWS = np.array([0, 1, 1, 1, 0, -1, -1, -1])
COLUMNS = np.array([1, 1, 0, -1, -1, -1, 0, 1])
# Instead of a neighbour: no elevation; water leaves the raster, or into nodata; not yet known.
NODATA, OUTLET, _FLAT = -2, -1, -3
# Marks of cells in a flat, beside distances.
_FOUND = 2**30


@njit(cache=True, nogil=True)
def _push(keys: NDArray[Any], cells: NDArray[np.int32], size: int, key: float, cell: int) -> int:
    """Adds to a binary heap ordered by elevation, then by cell, so that the order of floods is fixed."""
    i = size
    while i > 0:
        above = (i - 1) >> 1
        if keys[above] < key or (keys[above] == key and cells[above] < cell):
            break
        keys[i], cells[i] = keys[above], cells[above]
        i = above
    keys[i], cells[i] = key, cell
    return size + 1


@njit(cache=True, nogil=True)
def _pop(keys: NDArray[Any], cells: NDArray[np.int32], size: int) -> int:
    """Removes the first of the heap, which the caller has read."""
    size -= 1
    key, cell = keys[size], cells[size]
    i = 0
    while True:
        below = 2 * i + 1
        if below >= size:
            break
        other = below + 1
        if other < size and (keys[other] < keys[below] or (keys[other] == keys[below] and cells[other] < cells[below])):
            below = other
        if key < keys[below] or (key == keys[below] and cell < cells[below]):
            break
        keys[i], cells[i] = keys[below], cells[below]
        i = below
    keys[i], cells[i] = key, cell
    return size


@njit(cache=True, nogil=True)
def _on_rim(elevation: NDArray[Any], row: int, column: int) -> bool:
    """Whether a cell lies at the raster's edge or beside nodata."""
    rows, columns = elevation.shape
    if row == 0 or column == 0 or row == rows - 1 or column == columns - 1:
        return True
    for k in range(8):  # noqa: SIM110 - numba knows no generators in any()
        if np.isnan(elevation[row + ROWS[k], column + COLUMNS[k]]):
            return True
    return False


@njit(cache=True, nogil=True)
def _flood(z: NDArray[Any]) -> None:
    """Raises the cells of depressions to their spill level, in place; see `fill`."""
    rows, columns = z.shape
    closed = np.zeros((rows, columns), np.bool_)
    # Only what is touched of these takes memory.
    keys, cells, pit = np.empty(z.size, z.dtype), np.empty(z.size, np.int32), np.empty(z.size, np.int32)
    size, deep = 0, 0
    for row in range(rows):
        for column in range(columns):
            if np.isnan(z[row, column]):
                closed[row, column] = True
            elif _on_rim(z, row, column):
                closed[row, column] = True
                size = _push(keys, cells, size, z[row, column], row * columns + column)
    while size > 0 or deep > 0:
        if deep > 0:
            deep -= 1
            cell = pit[deep]
        else:
            cell = cells[0]
            size = _pop(keys, cells, size)
        row, column = cell // columns, cell % columns
        level = z[row, column]
        for k in range(8):
            i, j = row + ROWS[k], column + COLUMNS[k]
            if i < 0 or j < 0 or i >= rows or j >= columns or closed[i, j]:
                continue
            closed[i, j] = True
            if z[i, j] <= level:
                # Under water: it needs no place in the heap.
                z[i, j] = level
                pit[deep] = i * columns + j
                deep += 1
            else:
                size = _push(keys, cells, size, z[i, j], i * columns + j)


def fill(elevation: NDArray[np.floating]) -> NDArray[Any]:
    """Fills depressions to the level at which they spill, by Priority-Flood.

    Barnes, Lehman & Mulla 2014 (Computers & Geosciences 62, 117-127), algorithm 2. The level is unique: it is the
    least over all ways out of the highest cell on the way. Filled ground is flat; `directions` drains it.

    Args:
        elevation: (rows, columns), float32 or float64, metres; NaN = nodata, into which water leaves.

    Returns:
        Filled elevations, same shape and type.

    Raises:
        ValueError: more than 2^31 - 1 cells.
    """
    if elevation.size >= 2**31:
        raise ValueError(f"{elevation.size} cells are more than 2^31 - 1")
    filled = np.array(elevation, order="C")
    _flood(filled)
    return filled


@njit(cache=True, nogil=True)
def _descend(z: NDArray[Any], dx: Floats, dy: Floats, direction: NDArray[np.int8]) -> None:
    """Steepest descents; outlets where a rim cell has none, `_FLAT` where an inner cell has none."""
    rows, columns = z.shape
    run = np.empty(8)
    for row in range(rows):
        for k in range(8):
            run[k] = np.hypot(dx[row] * COLUMNS[k], dy[row] * ROWS[k])
        for column in range(columns):
            level = z[row, column]
            if np.isnan(level):
                direction[row, column] = NODATA
                continue
            best, code, rim = 0.0, _FLAT, False
            for k in range(8):
                i, j = row + ROWS[k], column + COLUMNS[k]
                if i < 0 or j < 0 or i >= rows or j >= columns or np.isnan(z[i, j]):
                    rim = True
                    continue
                drop = np.float64(level) - np.float64(z[i, j])
                if drop <= 0.0:
                    continue
                if drop / run[k] > best:
                    best, code = drop / run[k], k
            direction[row, column] = OUTLET if code == _FLAT and rim else code


@njit(cache=True, nogil=True)
def _spread(
    z: NDArray[Any], mark: NDArray[np.int32], queue: NDArray[np.int32], count: int, sign: int, height: int
) -> int:
    """Breadth-first distances within a flat from the `count` cells in the queue; returns the greatest.

    With sign 1, distances 1, 2, ... from higher ground go to `mark`. With sign -1, distances d from the way out
    join them as -(2 d + height - mark): negative, so that cells that are done are known.
    """
    rows, columns = z.shape
    level, first, last = 1, 0, count
    while first < last:
        end = last
        for at in range(first, end):
            row, column = queue[at] // columns, queue[at] % columns
            for k in range(8):
                i, j = row + ROWS[k], column + COLUMNS[k]
                if i < 0 or j < 0 or i >= rows or j >= columns or z[i, j] != z[row, column]:
                    continue
                if sign > 0 and mark[i, j] == _FOUND:
                    mark[i, j] = level + 1
                elif sign < 0 and mark[i, j] > 0:
                    away = height - mark[i, j] if mark[i, j] != _FOUND else 0
                    mark[i, j] = -(2 * (level + 1) + away)
                else:
                    continue
                queue[last] = i * columns + j
                last += 1
        first = end
        level += 1
    return level - 1


@njit(cache=True, nogil=True)
def _collect(
    z: NDArray[Any], direction: NDArray[np.int8], mark: NDArray[np.int32], flat: NDArray[np.int32], start: int
) -> int:
    """Lists the cells of the flat around `start`, marks them found, and returns how many they are."""
    columns = z.shape[1]
    flat[0] = start
    mark[start // columns, start % columns] = _FOUND
    done, count = 0, 1
    while done < count:
        row, column = flat[done] // columns, flat[done] % columns
        done += 1
        for k in range(8):
            i, j = row + ROWS[k], column + COLUMNS[k]
            # Inner cells only are flat, so that all neighbours exist.
            if direction[i, j] == _FLAT and mark[i, j] == 0 and z[i, j] == z[row, column]:
                mark[i, j] = _FOUND
                flat[count] = i * columns + j
                count += 1
    return count


@njit(cache=True, nogil=True)
def _drain_flats(z: NDArray[Any], direction: NDArray[np.int8]) -> None:
    """Gives every flat cell a direction, in place; see `directions`."""
    rows, columns = z.shape
    mark = np.zeros((rows, columns), np.int32)
    flat, queue = np.empty(z.size, np.int32), np.empty(z.size, np.int32)
    for start in range(z.size):
        if direction[start // columns, start % columns] != _FLAT or mark[start // columns, start % columns] != 0:
            continue
        count = _collect(z, direction, mark, flat, start)
        high = 0
        for at in range(count):
            row, column = flat[at] // columns, flat[at] % columns
            for k in range(8):
                if z[row + ROWS[k], column + COLUMNS[k]] > z[row, column]:
                    mark[row, column] = 1
                    queue[high] = flat[at]
                    high += 1
                    break
        height = _spread(z, mark, queue, high, 1, 0) if high > 0 else 0
        low = 0
        for at in range(count):
            row, column = flat[at] // columns, flat[at] % columns
            for k in range(8):
                i, j = row + ROWS[k], column + COLUMNS[k]
                if z[i, j] == z[row, column] and direction[i, j] >= OUTLET:
                    away = height - mark[row, column] if mark[row, column] != _FOUND else 0
                    mark[row, column] = -(2 + away)
                    queue[low] = flat[at]
                    low += 1
                    break
        _spread(z, mark, queue, low, -1, height)
        _point(z, direction, mark, flat, count)


@njit(cache=True, nogil=True)
def _point(
    z: NDArray[Any], direction: NDArray[np.int8], mark: NDArray[np.int32], flat: NDArray[np.int32], count: int
) -> None:
    """Directs the cells of a flat to the neighbour of the least mark: 0 beside the flat, on the way out."""
    columns = z.shape[1]
    for at in range(count):
        row, column = flat[at] // columns, flat[at] % columns
        best, code = _FOUND, 0
        for turn in range(8):
            # Straight neighbours before diagonal ones, which are farther.
            k = 2 * turn if turn < 4 else 2 * turn - 7
            i, j = row + ROWS[k], column + COLUMNS[k]
            if z[i, j] == z[row, column] and -mark[i, j] < best:
                best, code = -mark[i, j], k
        direction[row, column] = code


def directions(filled: NDArray[np.floating], dx: Floats, dy: Floats) -> NDArray[np.int8]:
    """Where each cell drains to: the neighbour of the steepest descent (D8), distances being true.

    Flats are drained by Barnes, Lehman & Mulla 2014 (Computers & Geosciences 62, 128-135): towards lower ground
    and, at half the weight, away from higher ground, so that flow converges instead of running in parallel.

    Args:
        filled: (rows, columns) elevations as `fill` gives them; NaN = nodata.
        dx: (rows,) east-west size of the cells of a row, metres.
        dy: (rows,) north-south size.

    Returns:
        (rows, columns): 0 to 7 for `ROWS`, `COLUMNS`; -1 (`OUTLET`) for cells at the raster's edge or beside nodata
        that have no lower neighbour; -2 (`NODATA`). Following them reaches an outlet from every cell. Of equal
        descents the first code counts.
    """
    direction = np.empty(filled.shape, np.int8)
    _descend(filled, dx, dy, direction)
    _drain_flats(filled, direction)
    return direction


@njit(cache=True, nogil=True)
def _sum_downstream(direction: NDArray[np.int8], total: Floats) -> None:
    """Adds to each cell what its tributaries carry, each cell once all of its own have come."""
    rows, columns = direction.shape
    waiting = np.zeros((rows, columns), np.int8)
    for row in range(rows):
        for column in range(columns):
            k = direction[row, column]
            if k >= 0:
                waiting[row + ROWS[k], column + COLUMNS[k]] += 1
    for row in range(rows):
        for column in range(columns):
            i, j = row, column
            while waiting[i, j] == 0:
                waiting[i, j] = -1
                k = direction[i, j]
                if k < 0:
                    break
                carried = total[i, j]
                i, j = i + ROWS[k], j + COLUMNS[k]
                total[i, j] += carried
                waiting[i, j] -= 1


def accumulate(direction: NDArray[np.int8], weight: Floats) -> Floats:
    """Sum of the weights of all cells that drain through a cell, itself included.

    Args:
        direction: as `directions` gives it.
        weight: (rows,) what a cell of each row contributes: 1 for counts, its area for catchments.

    Returns:
        (rows, columns); NaN = nodata.
    """
    total = np.repeat(weight[:, None], direction.shape[1], axis=1)
    total[direction == NODATA] = np.nan
    _sum_downstream(direction, total)
    return total


@njit(cache=True, nogil=True)
def _tributaries(direction: NDArray[np.int8], channel: NDArray[np.bool_]) -> NDArray[np.int8]:
    """How many channel cells drain directly into each channel cell; -1 elsewhere."""
    rows, columns = direction.shape
    count = np.where(channel, np.int8(0), np.int8(-1))
    for row in range(rows):
        for column in range(columns):
            k = direction[row, column]
            if channel[row, column] and k >= 0:
                count[row + ROWS[k], column + COLUMNS[k]] += 1
    return count


@njit(cache=True, nogil=True)
def _orders(direction: NDArray[np.int8], waiting: NDArray[np.int8]) -> NDArray[np.int8]:
    """Orders of channel cells, each once all of its tributaries have theirs; see `strahler`."""
    rows, columns = direction.shape
    # Of the tributaries so far: twice the highest order, plus 1 if more than one has it.
    met = np.zeros((rows, columns), np.int8)
    order = np.zeros((rows, columns), np.int8)
    for row in range(rows):
        for column in range(columns):
            i, j = row, column
            while waiting[i, j] == 0:
                waiting[i, j] = -1
                own = max(1, (met[i, j] >> 1) + (met[i, j] & 1))
                order[i, j] = own
                k = direction[i, j]
                if k < 0:
                    break
                i, j = i + ROWS[k], j + COLUMNS[k]
                if own > met[i, j] >> 1:
                    met[i, j] = 2 * own
                elif own == met[i, j] >> 1:
                    met[i, j] |= 1
                waiting[i, j] -= 1
    return order


def strahler(direction: NDArray[np.int8], channel: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Strahler's order (1957, Trans. AGU 38, 913-920): 1 at heads, one more where two of the highest order meet.

    Args:
        direction: as `directions` gives it.
        channel: (rows, columns); what lies downstream of a channel cell must be channel too.

    Returns:
        (rows, columns); 0 where there is no channel.
    """
    return np.asarray(_orders(direction, _tributaries(direction, channel)))


@dataclass(frozen=True)
class Reaches:
    """Channels cut at heads, confluences and outlets, in raster order of their upper ends.

    Args:
        cells: (total,) flat indices of the cells of all reaches, downstream, one reach after the other. A reach
            ends in the confluence cell at which the next one begins, or in an outlet.
        offsets: (n + 1,) where the reaches begin in `cells`.
        downstream: (n,) index of the next reach; -1 at an outlet.
        order: (n,) Strahler's order.
        length: (n,) metres, along the cells' centres.
        catchment: (n,) of the last cell that is the reach's own, above the confluence.
    """

    cells: NDArray[np.int64]
    offsets: NDArray[np.int64]
    downstream: NDArray[np.int64]
    order: NDArray[np.int8]
    length: Floats
    catchment: Floats


@njit(cache=True, nogil=True)
def _trace(
    direction: NDArray[np.int8],
    tributaries: NDArray[np.int8],
    starts: NDArray[np.int64],
    size: tuple[Floats, Floats],
    cells: NDArray[np.int64],
    offsets: NDArray[np.int64],
    downstream: NDArray[np.int64],
    length: Floats,
) -> None:
    """Follows every reach from its start; see `Reaches`."""
    columns = direction.shape[1]
    last = 0
    for n in range(starts.size):
        row, column = starts[n] // columns, starts[n] % columns
        cells[last] = starts[n]
        last += 1
        while True:
            k = direction[row, column]
            if k < 0:
                break
            length[n] += np.hypot(size[0][row] * COLUMNS[k], size[1][row] * ROWS[k])
            row, column = row + ROWS[k], column + COLUMNS[k]
            cells[last] = row * columns + column
            last += 1
            if tributaries[row, column] > 1:
                break
        offsets[n + 1] = last
        at = np.searchsorted(starts, cells[last - 1])
        downstream[n] = at if at < starts.size and starts[at] == cells[last - 1] else -1


def reaches(
    direction: NDArray[np.int8],
    channel: NDArray[np.bool_],
    order: NDArray[np.int8],
    catchment: Floats,
    dx: Floats,
    dy: Floats,
) -> Reaches:
    """Cuts channels into reaches; a channel of a single cell, at an outlet, makes none.

    Args:
        direction: as `directions` gives it.
        channel: (rows, columns), closed downstream.
        order: as `strahler` gives it.
        catchment: as `accumulate` gives it.
        dx: (rows,) east-west size of the cells of a row, metres.
        dy: (rows,) north-south size.
    """
    tributaries = _tributaries(direction, channel)
    starts = np.flatnonzero(channel & (tributaries != 1) & (direction != OUTLET))
    # Every channel cell belongs to one reach, and each reach ends in one that may be another's.
    cells = np.empty(int(channel.sum()) + starts.size, np.int64)
    offsets, downstream = np.zeros(starts.size + 1, np.int64), np.empty(starts.size, np.int64)
    length = np.zeros(starts.size)
    _trace(direction, tributaries, starts, (dx, dy), cells, offsets, downstream, length)
    ends = cells[offsets[1:] - 1]
    # The cell at a confluence carries the other tributaries too.
    own = np.where(tributaries.ravel()[ends] > 1, cells[offsets[1:] - 2], ends)
    return Reaches(cells[: offsets[-1]], offsets, downstream, order.ravel()[starts], length, catchment.ravel()[own])


@njit(cache=True, nogil=True)
def _rows_away(target: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Rows to the nearest target cell in the same column; a number beyond all rows where there is none."""
    rows, columns = target.shape
    away = np.empty((rows, columns), np.int32)
    for row in range(rows):
        for column in range(columns):
            if target[row, column]:
                away[row, column] = 0
            else:
                away[row, column] = away[row - 1, column] + 1 if row > 0 else rows
    for row in range(rows - 2, -1, -1):
        for column in range(columns):
            away[row, column] = min(away[row, column], away[row + 1, column] + 1)
    return away


@njit(cache=True, nogil=True)
def _across(away: NDArray[np.int32], dx: Floats, dy: Floats, distance: NDArray[np.float32]) -> None:
    """Joins the columns of each row by the lower envelope of parabolas; see `distance_to`."""
    rows, columns = away.shape
    apex, height = np.empty(columns, np.int64), np.empty(columns)
    start = np.empty(columns + 1)
    for row in range(rows):
        count = 0
        for column in range(columns):
            if away[row, column] >= rows:
                continue
            # In units of dx squared, so that parabolas are (x - column)^2 + h.
            h = (away[row, column] * dy[row] / dx[row]) ** 2
            begin = -np.inf
            while count > 0:
                v = apex[count - 1]
                begin = (h + column * column - height[count - 1] - v * v) / (2.0 * (column - v))
                if begin > start[count - 1]:
                    break
                count -= 1
                begin = -np.inf
            apex[count], height[count], start[count] = column, h, begin
            count += 1
        at = 0
        for column in range(columns):
            if count == 0:
                distance[row, column] = np.nan
                continue
            while at + 1 < count and start[at + 1] < column:
                at += 1
            distance[row, column] = dx[row] * np.sqrt((column - apex[at]) ** 2 + height[at])


def distance_to(target: NDArray[np.bool_], dx: Floats, dy: Floats) -> NDArray[np.float32]:
    """Distance of each cell's centre from the nearest target cell's, exact (Felzenszwalb & Huttenlocher 2012).

    Theory of Computing 8, 415-428: distances along columns first, then their lower envelope along each row. Takes 9 B
    per cell, where scipy's distance_transform_edt takes some 50. On a geographic grid a cell's own dx and dy hold
    for the whole way, which is right to some 1e-4 within 10 km.

    Args:
        target: (rows, columns).
        dx: (rows,) east-west size of the cells of a row, metres.
        dy: (rows,) north-south size.

    Returns:
        (rows, columns) metres; NaN where there is no target at all.
    """
    distance = np.empty(target.shape, np.float32)
    _across(_rows_away(target), dx, dy, distance)
    return distance
