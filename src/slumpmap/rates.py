"""What work costs, as measured: the table behind `slumpmap plan`. None is guessed; what is missing is None."""

from __future__ import annotations

from dataclasses import dataclass

RESULTS = "benchmarks/RESULTS.md"
DEMO = f"{RESULTS}, rates of the demo"


@dataclass(frozen=True)
class Rate:
    """Cost of a kind of work.

    Attributes:
        core_s: seconds of one core for a unit.
        unit: what a unit is.
        start_s: seconds of one core that a job costs beside that.
        peak_mb: largest resident memory of a job; None: not measured.
        mb: megabytes on the disk for a unit; None: not measured.
        source: where it was measured.
    """

    core_s: float
    unit: str
    start_s: float
    peak_mb: float | None
    mb: float | None
    source: str


# Starting Python with what a command needs, seconds of a core.
START_S = 1.2
IMAGERY = Rate(0.32, "Mpx of a year", START_S, 425, 1.86, f"{RESULTS}, imagery against GDAL")
CANDIDATES = Rate(0.0174, "Mpx", 2.0, 348, 0.026, f"{RESULTS}, candidates")
# Two processes drew 1,000 candidates x 5 years in 44.8 s.
PICTURES = Rate(2 * 44.8 / 5000, "candidate in a year", START_S, 390, None, f"{RESULTS}, review room")
# The corridor's 60 million cells on two threads: radiation 63.9 s, streams 44.0 s.
TERRAIN = Rate(2 * (63.9 + 44.0) / 60, "million cells", START_S, None, 13.1, f"{RESULTS}, terrain")
# Streams hold the whole elevation model, bytes a cell.
STREAM_BYTES = 24
# Tables, figures and site of the demo: 69 slumps, all jobs after the loop.
CLOSING_S = 95.4

# Of networks, on a CPU: seconds of one core for a million pixels of windows, by encoder.
TRAINING: dict[str, Rate] = {
    "tu-xception65": Rate(2 * 41 / 1.8432, "Mpx of windows", 5.0, None, None, f"{RESULTS}, choices of the recipe"),
    "tu-mobilenetv3_small_100": Rate(191.3 / 52.4, "Mpx of windows", 5.0, 800, None, DEMO),
}
INFERENCE: dict[str, Rate] = {
    # 0.661 Mpx of ground a second on two cores, bfloat16, windows overlapping 2.25 times.
    "resnet18": Rate(2 / 0.661 / 2.25, "Mpx of windows", 0.0, 1200, 0.34, f"{RESULTS}, speed of inference"),
    "tu-mobilenetv3_small_100": Rate(13.33 / 10.5 / 1.78, "Mpx of windows", 0.0, 825, 0.34, DEMO),
}
# Compressed probabilities hardly depend on the network.
PROBABILITY_MB = 0.34
