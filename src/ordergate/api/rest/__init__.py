"""The REST door: HTTP in, commands and queries out.

A request takes one way: `endpoint` makes a `Call` of it, an operation answers with a `Reply` or raises, and what it
raises becomes a problem (RFC 9457). Operations are listed in `routes`; the OpenAPI document is made from the same list,
so there is no route without its description. Bodies are read by the domain's own parsers and answers encoded once:
pydantic only describes.
"""
