"""The audit: is the journal what was signed, do the tables follow from it, and who can check that without us."""
