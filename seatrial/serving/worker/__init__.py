"""A worker process. Its program is `__main__`, by which name pickles and their errors know the program of a server."""
