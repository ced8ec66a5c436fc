"""Facts: what a project's files say. Facts are read and never judged, and nothing is imported or unpickled."""
