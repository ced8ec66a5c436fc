"""The seal around a process on trial: what it may see of this machine, how it is held to that, what it tried besides."""
