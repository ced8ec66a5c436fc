"""Credentials: what they look like by name and by form, and the files of a project that hold some."""
