"""The wires that calls come over: gRPC and REST."""
