"""Sections of the campaign configuration: one model each, one module a room. The whole is `slumpmap.config`."""
