"""Version 1: `gates.proto`, and its stubs `gates_pb2` and `gates_pb2_grpc`."""
