"""Family 6: devices."""
