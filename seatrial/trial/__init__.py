"""The trial: the real server in the locked environment, asked what training answered."""
