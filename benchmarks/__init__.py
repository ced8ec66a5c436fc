"""Measurements that docs/ shows; each is a command, and none decides a test."""
