"""Families of faults: each judges an exception, or a line outside of tracebacks, by its structure. One file each.

A module of this folder has a function `of_exception(raised, case)`, a function `of_statement(statement, case)`, or
both. They are found by being there. Each yields the diagnoses that fit, or nothing.

A module with `ALONE = True` is asked first, and what it recognises in an exception is asked of no other: it judges what
only looks like a fault of the serving code, such as a module that the build of a source archive lacks.
"""
