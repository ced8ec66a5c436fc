"""Environments of nothing but the locks: interpreter, install, and the store of kept ones."""
