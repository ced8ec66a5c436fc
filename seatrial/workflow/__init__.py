"""What a GitHub workflow asks the tool: a plan before its jobs, a summary after them."""
