"""Signing videos: a certificate and its private key, held in memory, used in this process alone.

The key is read once and handed to c2pa's library. It is in no message, no row and no setting, and
a signer cannot be pickled, so that it never travels to a worker.
"""

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dawn.credentials.claim import Claim
from manifests.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

OFFLINE: dict[str, dict[str, Any]] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
    "builder": {"thumbnail": {"enabled": False}},
}
"""Settings of c2pa's library: it asks nobody, and keeps no picture of the video."""
MISSING = "content credentials need c2pa: pip install 'dawn-pipeline[sign]'"
_LARGEST = 2**20
"""Bytes of a certificate chain or key; what is larger is another file."""


class Signer:
    """Signs videos with one certificate. Raises InputError where it or its key cannot be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        c2pa = library()
        chain, secret = _read(certificate), _read(key)
        own = _first_certificate(chain, certificate)
        algorithm = _algorithm(_private_key(secret, key), own, key, certificate)
        self.name = _named(own)
        """Whose certificate it is, as its subject says."""
        self._info = c2pa.C2paSignerInfo(algorithm.encode(), chain, secret, None)
        try:
            self._sign(b"image/png", io.BytesIO(_picture()), io.BytesIO(), {"title": "trial"})
        except c2pa.C2paError as error:
            raise InputError(
                f"{certificate}: cannot sign content credentials ({_line(error)}); a signing "
                "certificate has the key usage digitalSignature, an extended one such as "
                "emailProtection, and its issuer's certificates after it in the file"
            ) from None

    def sign(self, path: Path, claim: Claim) -> None:
        """Put credentials into a finished MP4, which is replaced whole.

        Raises InputError where it cannot be signed, OSError where it cannot be written.
        """
        c2pa = library()
        descriptor, name = tempfile.mkstemp(prefix=".dawn-", suffix=".mp4", dir=path.parent)
        signed = Path(name)
        try:
            with path.open("rb") as source, os.fdopen(descriptor, "w+b") as target:
                self._sign(b"video/mp4", source, target, claim.manifest())
            signed.chmod(path.stat().st_mode & 0o777)
            signed.replace(path)
        except c2pa.C2paError as error:
            raise InputError(f"{path}: cannot be signed: {_line(error)}") from None
        finally:
            signed.unlink(missing_ok=True)

    def _sign(self, kind: bytes, source: Any, target: Any, manifest: dict[str, Any]) -> None:  # noqa: ANN401 - binary files
        c2pa = library()
        with (
            c2pa.Context.from_dict(OFFLINE) as context,
            c2pa.Signer.from_info(self._info) as signer,
            c2pa.Builder(manifest, context) as builder,
        ):
            builder.sign(signer, kind.decode(), source, target)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer holds a private key and stays in its process")

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"


def library() -> Any:  # noqa: ANN401 - a module without types
    """The module c2pa. Raises InputError where it is not installed."""
    try:
        import c2pa
    except ImportError as error:
        raise InputError(MISSING) from error
    return c2pa


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST:
        raise InputError(f"{path}: is larger than a certificate or key; give a PEM file")
    return content


def _first_certificate(chain: bytes, path: Path) -> "Certificate":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(chain)[0]
    except (ValueError, IndexError):
        raise InputError(
            f"{path}: holds no certificate; --sign takes a PEM file with the signer's certificate "
            "first, then that of its private key"
        ) from None


def _private_key(secret: bytes, path: Path) -> "PrivateKeyTypes":
    """Nothing of what went wrong is passed on: it might quote the file."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(secret, None)
    except TypeError:
        fault = "is encrypted; give it as `<(openssl pkey -in FILE)`, which asks for the passphrase"
    except Exception:  # noqa: BLE001 - also of kinds that this library does not know
        fault = "holds no private key in PEM; --sign takes the certificate, then its key"
    raise InputError(f"{path}: {fault}")


def _algorithm(key: "PrivateKeyTypes", own: "Certificate", key_path: Path, path: Path) -> str:
    """What C2PA calls the way this key signs. Raises InputError for a key of another kind, and for
    one that is not the certificate's.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
        raise InputError(f"{key_path}: is not the key of {path}; give the pair")
    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        return curves[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise InputError(f"{key_path}: C2PA signs with EC P-256, P-384 or P-521, Ed25519 or RSA keys")


def _named(own: "Certificate") -> str:
    """Common name and organisation, as the subject has them."""
    from cryptography.x509.oid import NameOID

    kinds = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    parts = [str(one.value) for kind in kinds for one in own.subject.get_attributes_for_oid(kind)]
    return ", ".join(parts) or f"certificate {own.serial_number:x}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _picture() -> bytes:
    """What a certificate is tried on, before anything is made."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    return file.getvalue()
