"""The campaign's tables and figures, made from inventory files only."""
