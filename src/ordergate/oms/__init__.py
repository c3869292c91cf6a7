"""The protocol of the gRPC door, by version; the stubs beside each `.proto` are made by the build."""
