"""Refreshes the tables that the rules read."""
