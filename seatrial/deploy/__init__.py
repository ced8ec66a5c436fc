"""Makes a model version out of what the trial proved and serves it: on Vertex AI, or at the emulator on this machine.

The state of a deploy is read from the server, never kept in a file.
"""
