"""Orders that hang on others: what happens to one decides about the other."""
