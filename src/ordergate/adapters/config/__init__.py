"""Where the configuration stands beside what is built in."""
