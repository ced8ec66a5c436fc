"""Family 7: the deployment."""
