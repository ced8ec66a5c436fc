"""`seatrial init`: an existing repository becomes a project. It writes what is missing, and overwrites nothing.

`facts.repository` reads; `choosing` decides what is served, and asks what no file says; `predictor` and `files` write
texts; `write` puts them on disk. What was inferred is told with where from.
"""
