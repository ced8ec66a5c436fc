"""The transports of the calls: gRPC and REST."""
