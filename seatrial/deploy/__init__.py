"""Makes a model version out of what the trial proved, and serves it: on Vertex AI, or at the emulator on this machine.

Where a deploy stands is read from the server. Nothing here keeps it in a file.
"""
