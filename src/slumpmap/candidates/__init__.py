"""Candidates: probability tiles to polygons that do not depend on the tiling, and the ledger of places."""
