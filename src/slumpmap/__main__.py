"""`python -m slumpmap`: the command line, as the rules call it."""

from slumpmap.cli import main

main()
