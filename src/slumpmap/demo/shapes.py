"""Outlines of slumps and look-alikes, and where on them a headwall stands.

Local coordinates are metres: `u` across, `v` upslope. All outlines are star-shaped about the anchor
(the local origin), so that moving points outward along their rays lets an outline grow without
crossing the older one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from shapely.geometry import Polygon

from slumpmap.demo.noise import Field

VERTICES = 72


@dataclass(frozen=True)
class Outline:
    """A closed outline in local coordinates.

    Args:
        points: (n, 2) of u and v, metres, counter-clockwise, first point not repeated.
        head: (n,) how much of a headwall stands at each point, 0..1.
        reach: (n,) how far each point takes part in retreat, 0..1.
    """

    points: Field
    head: Field
    reach: Field

    def scaled_to(self, area_m2: float) -> Outline:
        """The same shape with another area."""
        factor = math.sqrt(area_m2 / Polygon(self.points).area)
        return Outline(self.points * factor, self.head, self.reach)


def place(points: Field, x: float, y: float, azimuth: float) -> Field:
    """Brings local points to map coordinates.

    Args:
        points: (n, 2) of u and v, metres.
        x: easting of the anchor.
        y: northing of the anchor.
        azimuth: direction of v, degrees clockwise from north.
    """
    c, s = math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth))
    u, v = points[:, 0], points[:, 1]
    return np.column_stack([x + u * c + v * s, y - u * s + v * c])


def smoothstep(low: float, high: float, values: Field) -> Field:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    result: Field = t * t * (3.0 - 2.0 * t)
    return result


def _waves(angle: Field, first: int, last: int, rng: np.random.Generator) -> Field:
    """A smooth closed noise of a few harmonics, standard deviation about 1."""
    total = np.zeros_like(angle)
    for harmonic in range(first, last + 1):
        total += rng.normal() * np.cos(harmonic * angle + rng.uniform(0.0, 2 * math.pi)) / math.sqrt(harmonic)
    spread = math.sqrt(sum(0.5 / h for h in range(first, last + 1)))
    return total / spread


def slump_outline(area_m2: float, rng: np.random.Generator) -> Outline:
    """A tongue with an arcuate, scalloped head and a narrower, lobed toe."""
    angle = np.linspace(0.0, 2 * math.pi, VERTICES, endpoint=False)
    rise, across = np.sin(angle), np.cos(angle)
    elongation = rng.uniform(1.0, 2.3)
    taper, bend = rng.uniform(0.1, 0.35), rng.normal(0.0, 0.14)
    # A power below one squares the head off into a horseshoe.
    v = elongation * np.where(rise > 0, np.abs(rise) ** 0.82, -(np.abs(rise) ** 0.9))
    u = across * (1.0 + taper * rise) + bend * rise**2
    head = smoothstep(0.05, 0.45, rise)
    scallop = np.abs(np.sin(angle * rng.integers(3, 6) + rng.uniform(0, 3))) - 0.64
    rough = 1.0 + 0.035 * _waves(angle, 3, 9, rng) + 0.07 * head * scallop
    rough += 0.05 * (1.0 - head) * _waves(angle, 2, 6, rng)
    points = np.column_stack([u, v]) * np.clip(rough, 0.75, 1.25)[:, None]
    # The anchor lies toward the toe: the head retreats away from it, the toe hardly moves.
    points -= [0.0, -0.3 * elongation]
    reach = 0.12 + 0.88 * smoothstep(-0.4, 0.8, rise)
    broken = np.clip(1.0 + 0.22 * _waves(angle, 2, 7, rng), 0.35, 1.0)
    return Outline(points, head * broken, reach).scaled_to(area_m2)


def blob_outline(area_m2: float, elongation: float, rough: float, rng: np.random.Generator) -> Outline:
    """A rounded patch without a headwall, elongated along v; `rough` is the waviness of its edge, 0..0.3."""
    angle = np.linspace(0.0, 2 * math.pi, VERTICES, endpoint=False)
    radius = np.clip(1.0 + rough * (0.8 * _waves(angle, 2, 3, rng) + 0.4 * _waves(angle, 4, 9, rng)), 0.4, 1.8)
    points = np.column_stack([np.cos(angle), elongation * np.sin(angle)]) * radius[:, None]
    # A possible shade on one side, anywhere: what a slump's is not.
    shade = smoothstep(0.2, 0.7, np.cos(angle - rng.uniform(0.0, 2 * math.pi)))
    return Outline(points, shade, np.zeros_like(angle)).scaled_to(area_m2)


def pit_outline(area_m2: float, elongation: float, rng: np.random.Generator) -> Outline:
    """A quadrangle with worn corners."""
    angle = np.linspace(0.0, 2 * math.pi, VERTICES, endpoint=False)
    power = 0.28
    u = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    v = elongation * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    points = np.column_stack([u + rng.normal(0, 0.08) * v, v + rng.normal(0, 0.08) * u])
    points *= 1.0 + 0.012 * _waves(angle, 4, 12, rng)[:, None]
    shade = smoothstep(0.3, 0.7, np.cos(angle - rng.uniform(0.0, 2 * math.pi)))
    return Outline(points, shade, np.zeros_like(angle)).scaled_to(area_m2)
