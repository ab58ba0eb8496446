"""Signing and verifying: DSSE envelopes with keys in PEM files.

DSSE (https://github.com/secure-systems-lab/dsse) signs the type of a payload with
the payload, as bytes, so that nothing has to be brought into a canonical form.
securesystemslib does it, which also signs for TUF and in-toto; it is
imported where it is used, because no stage needs it.
"""

from __future__ import annotations

import binascii
import json
from pathlib import Path
from typing import Any

from edgebuild.errors import Finding, UsageError

__all__ = ["PAYLOAD_TYPE", "private_key", "public_key", "sign", "verified"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MISSING = "provenance needs the package securesystemslib; pip install 'edgebuild[provenance]'"


def private_key(path: Path) -> Any:
    """The signer with the private key in ``path``: PEM, Ed25519, ECDSA or RSA, without a password.

    Raises:
        UsageError: it is no such key, or securesystemslib is not installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
    except ImportError:
        raise UsageError(MISSING) from None
    try:
        return CryptoSigner(load_pem_private_key(path.read_bytes(), None))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{path} must be a private key in a PEM file, without a password ({_reason(error)}); make one with "
            f"openssl genpkey -algorithm ed25519 -out {path.name}"
        ) from None


def public_key(path: Path) -> Any:
    """The public key in ``path``, PEM.

    Raises:
        UsageError: it is no such key, or securesystemslib is not installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
        from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]
    except ImportError:
        raise UsageError(MISSING) from None
    try:
        return SSlibKey.from_crypto(load_pem_public_key(path.read_bytes()))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{path} must be a public key in a PEM file ({_reason(error)}); of a private key it is written by "
            f"openssl pkey -in key.pem -pubout -out public.pem"
        ) from None


def sign(payload: bytes, signer: Any) -> bytes:
    """The envelope, as JSON, of an in-toto statement signed by what `private_key` returned."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict(), indent=2, sort_keys=True).encode() + b"\n"


def verified(envelope: bytes, key: Any) -> bytes:
    """The payload of ``envelope``, which ``key`` has signed, as `public_key` returned it.

    Raises:
        Finding: it is no envelope of an in-toto statement, or no signature in it is the key's.
    """
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
    from securesystemslib.signer import Signature  # type: ignore[attr-defined]

    try:
        document = json.loads(envelope)
        signatures = [bytes(_base64(entry["sig"])) for entry in document["signatures"]]
        payload, kind = _base64(document["payload"]), str(document["payloadType"])
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise Finding(
            f"this is no DSSE envelope ({type(error).__name__}: {error}); expected JSON with payload, payloadType "
            f"and signatures, as edgebuild verify --provenance writes it"
        ) from None
    if kind != PAYLOAD_TYPE:
        raise Finding(f"the envelope must hold {PAYLOAD_TYPE}, found {kind!r}")
    encoded = Envelope(payload, kind, {}).pae()
    for signature in signatures:
        try:
            # The identifier of a key in an envelope is an unsigned hint: the key that was asked for decides.
            key.verify_signature(Signature(key.keyid, signature.hex()), encoded)
        except (UnverifiedSignatureError, VerificationError):
            continue
        return payload
    found = f"{len(signatures)} of other keys" if signatures else "none"
    raise Finding(
        f"no signature is valid for this key (found {found}): the statement was changed after it was signed, or "
        f"another key signed it; ask who published it for the public key"
    )


def _base64(text: Any) -> bytes:
    # Both alphabets are allowed in an envelope.
    return binascii.a2b_base64(str(text).translate({ord("-"): "+", ord("_"): "/"}), strict_mode=True)


def _reason(error: Exception) -> str:
    return " ".join((error.strerror or "" if isinstance(error, OSError) else str(error)).split())
