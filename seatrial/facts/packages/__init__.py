"""Requirement files, locks and wheels as facts."""
