"""The container image of a bundle: base, layers, build, and the push of what was proven."""
