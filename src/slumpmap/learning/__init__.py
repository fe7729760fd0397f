"""Labels to windows to model bundle to probability tiles, and the object metrics that judge them."""
