"""The lock: requirements.txt from requirements.in."""
