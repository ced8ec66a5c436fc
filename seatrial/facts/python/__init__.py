"""Python source as facts, read by ast; nothing is imported."""
