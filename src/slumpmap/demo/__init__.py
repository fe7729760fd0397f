"""The synthetic corridor: terrain, vegetation, slumps that grow, look-alikes, clouds, 16-bit scenes."""

from slumpmap.demo.corridor import YEARS, CorridorSize, corridor_size, make_corridor
from slumpmap.demo.delivery import make_delivery

__all__ = ["YEARS", "CorridorSize", "corridor_size", "make_corridor", "make_delivery"]
