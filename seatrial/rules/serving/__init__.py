"""Family 5: the serving contract."""
