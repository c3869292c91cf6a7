"""The gRPC door: `ordergate.oms.v1.Oms`, health and reflection.

A call takes one way: `calls` makes a `Call` of its bytes, a method answers with a document as REST would show it or
raises, and what it raises becomes a status (`statuses`). Messages have REST's fields; the domain's own parsers read
them. Importing this needs grpcio: the extra `grpc`.
"""
