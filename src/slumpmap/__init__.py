"""slumpmap: iterative mapping of retrogressive thaw slumps from satellite scenes to a reviewed inventory."""

__version__ = "0.1.0"
