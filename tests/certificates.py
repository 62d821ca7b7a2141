"""Certificates for tests: a root, and signers that it vouches for."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Signing:
    """Files of a signer."""

    chain: Path
    key: Path
    root: Path

    @property
    def secret(self) -> str:
        """What of the key must be nowhere else: the middle of its text."""
        return self.key.read_text().splitlines()[1]


def write_signer(
    folder: Path, name: str = "Test signer", *, days: int = 30, ocsp: str | None = None
) -> Signing:
    """A certificate of `name` and its key, with a root of its own. `ocsp` is where it says that
    one may ask whether it was revoked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate(f"Root of {name}", f"Root of {name}", root_key, root_key, ca=True)
    own = _certificate(name, f"Root of {name}", key, root_key, ca=False, days=days, ocsp=ocsp)
    files = Signing(folder / "chain.pem", folder / "key.pem", folder / "root.pem")
    files.chain.write_bytes(own.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
    files.root.write_bytes(root.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
    days: int = 30,
    ocsp: str | None = None,
) -> x509.Certificate:
    """By C2PA's profile: https://spec.c2pa.org, "Credential types", X.509 certificates."""
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"),
        False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca, 0 if ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
    )
    if not ca:
        use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(use, critical=False)
    if ocsp is not None:
        where = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([where]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "DAWN tests"),
        x509.NameAttribute(NameOID.COMMON_NAME, text),
    ])  # fmt: skip
