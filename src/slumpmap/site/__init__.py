"""The static site of a campaign: one folder that opens from disk, without a server and without the net."""
