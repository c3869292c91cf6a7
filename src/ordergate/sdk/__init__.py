"""The door inside the process: faces in the words of their users, over the one engine.

Faces that are given no gate share the process's own (`ordergate.sdk.default_gate`).
"""
