"""What can be wrong with a log, as three answers to three questions.

TlogError
├── FormatError       is it what the document says it must be? (paths, bundles, notes, checkpoints, proofs)
├── SignatureError    did somebody whom we know sign it?
└── ProofError        do the hashes prove it?
"""


class TlogError(ValueError):
    """Base of all errors of a transparency log."""


class FormatError(TlogError):
    """Bytes or text do not have the one form that the format allows."""


class SignatureError(TlogError):
    """A note is not signed by a known key, or a known key's signature is wrong."""


class ProofError(TlogError):
    """A proof does not prove what it is said to, or cannot be had at all."""
