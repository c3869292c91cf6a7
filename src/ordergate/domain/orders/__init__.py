"""The order: its states, what moves it, what it is."""
