"""Keep the logins of package indexes where no log, command line or variable shows them.

Run as `logins.py FOLDER`, with the secrets in INDEX_URL and LOGINS. FOLDER gets `netrc`, which only this user can
read, and `index-url` without its login. pip and uv read netrc themselves; nox.sh tells them where it is. GitHub hides a
secret as a whole, so each password in one is told to it too.
"""

from __future__ import annotations

import netrc
import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit


def main(folder: Path) -> None:
    """Write the files, or exit with a message that holds nothing of the secrets."""
    url, logins = os.environ.get("INDEX_URL", "").strip(), os.environ.get("LOGINS", "")
    os.umask(0o077)
    bare, login = without_login(url) if url else ("", "")
    file = folder / "netrc"
    hosts = written(file, logins)
    if bare:
        (folder / "index-url").write_text(f"{bare}\n", encoding="utf-8")
        if login and (host := str(urlsplit(bare).hostname)) in hosts:
            file.unlink()
            sys.exit(f"the secrets index-url and netrc both have a login for {host}; keep one of them")
        hosts = written(file, f"{login}\n{logins}")
    for password in sorted({password for _, _, password in hosts.values() if password}):
        escaped = password.replace("%", "%25")  # the runner reads %25, %0A and %0D as what they stand for
        sys.stdout.write(f"::add-mask::{escaped}\n")


def written(file: Path, logins: str) -> dict[str, tuple[str, str | None, str | None]]:
    """Write a netrc, and return its hosts; exit if it cannot be read."""
    file.write_text(f"{logins.rstrip()}\n", encoding="utf-8")
    try:
        return netrc.netrc(file).hosts  # type: ignore[return-value] - typeshed and Python differ on what may be missing
    except netrc.NetrcParseError as error:
        file.unlink()
        sys.exit(
            f"line {error.lineno} of the secret netrc cannot be read; write: machine HOST login NAME password TOKEN"
        )


def without_login(url: str) -> tuple[str, str]:
    """Return the URL of an index without its login, and the login as a line of netrc, or "" if it has none."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0
    except ValueError:  # whose text may hold the login; a / or [ in one must be written as %2F or %5B
        known = False
    if not known:
        sys.exit("the secret index-url is no address of an index; write: https://NAME:TOKEN@HOST/PATH/simple")
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not password:
        name, password = "__token__", name  # a token alone, as in https://TOKEN@HOST
    if any(character.isspace() for character in name + password):
        sys.exit("the login in the secret index-url has blanks, which netrc cannot hold")
    return bare, f"machine {parts.hostname} login {name} password {password}" if password else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
