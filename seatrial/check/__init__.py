"""The check: every rule that facts alone decide, before anything is installed."""
