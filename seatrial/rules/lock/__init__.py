"""Family 1: the lock and the environment."""
