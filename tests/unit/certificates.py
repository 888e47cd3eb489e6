"""Certificates for tests, made by openssl: authorities of our own and what they sign. Shared with tests/e2e."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.tools import need


def openssl(*arguments: str | Path) -> None:
    done = subprocess.run([need("openssl"), *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@dataclass(frozen=True)
class Pair:
    cert: Path
    key: Path

    @property
    def files(self) -> tuple[str, str]:
        return str(self.cert), str(self.key)


class Authority:
    """One that signs; its certificate is `ca.cert`."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self.ca = Pair(directory / f"{name}.crt", directory / f"{name}.key")
        self._new_key(self.ca.key)
        openssl(
            "req", "-x509", "-new", "-key", self.ca.key, "-out", self.ca.cert, "-subj", f"/CN={name}", "-days", "2",
            "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def issue(self, name: str, *sans: str, usage: str = "serverAuth", days: int = 2) -> Pair:
        """`sans` as openssl writes them: `DNS:localhost`, `IP:127.0.0.1`. `days` below 0: it has expired."""
        pair = Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        self._new_key(pair.key)
        names = f"subjectAltName={','.join(sans)}\n" if sans else ""
        extensions.write_text(f"{names}extendedKeyUsage={usage}\n")
        openssl("req", "-new", "-key", pair.key, "-out", request, "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", request, "-CA", self.ca.cert, "-CAkey", self.ca.key, "-out", pair.cert,
            "-extfile", extensions, "-days", str(days),
        )  # fmt: skip
        return pair

    def _new_key(self, path: Path) -> None:
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def authority(directory: Path, name: str = "authority") -> Authority:
    directory.mkdir(parents=True, exist_ok=True)
    return Authority(directory, name)
