"""Tracebacks, logs and operation errors, translated into findings."""
