"""A region of one's own: the user's files checked, brought into form, shown on a map, and named in a configuration."""
