"""Version 1: `oms.proto`, and its stubs `oms_pb2` and `oms_pb2_grpc`."""
