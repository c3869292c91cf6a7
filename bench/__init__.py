"""What ordergate costs, measured beside what it cannot do without: `python -m bench`.

Everything that is compared is measured in one run and in turns, for the machine may be noisy. Nothing here
asserts a time.
"""
