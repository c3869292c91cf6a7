"""The protocol of external risk gates, by version; the stubs beside each `.proto` are made by the build."""
