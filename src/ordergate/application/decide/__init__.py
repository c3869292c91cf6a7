"""Decisions: from state, input, time and view to events. Pure and synchronous.

A decision is a generator. Each event it yields has been folded into the state when it goes on, so it always
looks at the state as it is. What it returns is the answer to the caller; what it raises undoes the whole step.
"""
