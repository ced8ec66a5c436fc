"""The texts of real failures: how each is produced, and each as it was written, in texts/.

`python -m tests.symptoms.make` installs what fails, runs it and writes the texts anew; the translator's tests read
them. Nothing here is imported by the tool.
"""
