"""What really runs a deployed model: a process or a container."""
