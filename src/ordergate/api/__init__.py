"""The doors: the world that calls us, one folder each."""
