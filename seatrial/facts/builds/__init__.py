"""The files that build or deploy a project, read as text: nothing of them is run."""
