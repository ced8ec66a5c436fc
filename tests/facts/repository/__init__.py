"""Tests of what a repository has before it is a project."""
