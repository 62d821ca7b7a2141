"""Reading and checking content credentials of files that come from anywhere.

c2pa's library parses the file in a process of its own with bounded memory and time, asks nobody on
the network, and what it says is plain text of bounded length here: a file's own words are a claim.
"""

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from dawn.credentials.carried import carries, is_bmff
from dawn.credentials.claim import ASSERTION, GENERATOR
from dawn.credentials.signing import OFFLINE, library
from manifests.errors import InputError

Verdict = Literal["valid", "invalid", "none"]

MEMORY = 4 * 2**30
"""Of addresses, in the child."""
CPU_S = 600
"""Hashing goes at hundreds of megabytes a second."""
_TEXT = 200
"""Characters of a text in a file that are repeated."""
_UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a file's credentials say, and what the check of them found."""

    verdict: Verdict
    trusted: bool = False
    """The signer's certificate leads to one of the anchors that were given."""
    faults: list[str] = field(default_factory=list)
    """What is wrong, where it is invalid."""
    signer: str | None = None
    """Common name and organisation of the certificate: the signer's own words, unless trusted."""
    ours: bool = False
    """Whether it says that this program made it."""
    generator: str | None = None
    """Program and version that made the claim."""
    source_type: str | None = None
    """The last part of IPTC's type of digital source."""
    when: str | None = None
    """When it was made, by the signer's clock."""
    made: dict[str, Any] = field(default_factory=dict)
    """The fields of `Claim`, of our own videos."""


def read_credentials(path: Path, anchors: bytes | None = None) -> Credentials:
    """Check a file's credentials. `anchors` are certificates in PEM that are trusted; none: all
    signers are unknown.

    Raises InputError for a file that cannot be opened, and one with credentials where c2pa is not
    installed.
    """
    try:
        if not is_bmff(path) or not carries(path):
            return Credentials(verdict="none")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    library()
    try:
        child = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "dawn.credentials.reading", str(path)],
            input=anchors or b"", capture_output=True, timeout=2 * CPU_S, check=False,
        )  # fmt: skip
        found = json.loads(child.stdout) if child.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        found = None
    if found is None:
        return Credentials(verdict="invalid", faults=["its credentials cannot be parsed"])
    if "refused" in found:
        raise InputError(found["refused"])
    return Credentials(**found)


def check_here(path: Path, anchors: str | None) -> Credentials:
    """The same in this process."""
    c2pa = library()
    settings: dict[str, Any] = {**OFFLINE, "verify": OFFLINE["verify"] | {"verify_trust": True}}
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    try:
        context = c2pa.Context.from_dict(settings)
    except c2pa.C2paError as error:
        raise InputError(f"--trust: holds no certificate in PEM ({_clean(error)})") from None
    try:
        with path.open("rb") as file, c2pa.Reader("video/mp4", file, context=context) as reader:
            told = json.loads(reader.json())
            state = str(reader.get_validation_state())
    except c2pa.C2paError as error:
        return Credentials(verdict="invalid", faults=[_clean(error)])
    return _told(told, state)


def _told(told: dict[str, Any], state: str) -> Credentials:
    """What the library's report says, in our terms. Anything may stand in it."""
    manifest = _dict(_dict(told.get("manifests")).get(str(told.get("active_manifest"))))
    assertions = {
        str(one.get("label")): _dict(one.get("data"))
        for one in manifest.get("assertions") or []
        if isinstance(one, dict)
    }
    made = assertions.get(ASSERTION, {})
    actions = assertions.get("c2pa.actions.v2", {}).get("actions") or [{}]
    created = next((_dict(a) for a in actions if _dict(a).get("action") == "c2pa.created"), {})
    signature = _dict(manifest.get("signature_info"))
    names = [signature.get("common_name"), signature.get("issuer")]
    generators = [_dict(one) for one in manifest.get("claim_generator_info") or []]
    generator = generators[0] if generators else {}
    faults = [
        f"{_clean(one.get('explanation'))} ({_clean(one.get('code'))})"
        for one in map(_dict, told.get("validation_status") or [])
        if one.get("code") != _UNTRUSTED
    ]
    valid = state in ("Valid", "Trusted")
    return Credentials(
        verdict="valid" if valid else "invalid",
        trusted=state == "Trusted",
        faults=[] if valid else faults or ["it does not hold together"],
        signer=", ".join(_clean(name) for name in names if name) or None,
        ours=generator.get("name") == GENERATOR and bool(made),
        generator=_clean(f"{generator.get('name', '?')} {generator.get('version', '')}".strip()),
        source_type=_clean(str(created.get("digitalSourceType", "")).rsplit("/", 1)[-1]) or None,
        when=_clean(made.get("generated") or created.get("when") or "") or None,
        made={_clean(key): _plain(value) for key, value in list(made.items())[:20]},
    )


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _plain(value: object) -> object:
    """Numbers as they are, all else as text; one level of names."""
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in list(value.items())[:20]}
    return value if isinstance(value, int | float | bool) else _clean(value)


def _clean(value: object) -> str:
    """Text that can do nothing to a terminal: printable, one line, not too long."""
    text = "".join(char if char.isprintable() else "?" for char in " ".join(str(value).split()))
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"


def main() -> None:
    """The child: a path, and anchors on standard input, to JSON on standard output."""
    anchors = sys.stdin.buffer.read().decode("utf-8", "replace")
    library()  # before memory is bounded, of which loading takes a little
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found: dict[str, Any] = asdict(check_here(Path(sys.argv[1]), anchors or None))
    except InputError as error:
        found = {"refused": str(error)}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
