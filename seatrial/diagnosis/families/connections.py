"""Connections of the serving code: to whom, and whether it fetches something that could ship with the model.

A host of a hub or of weights, an address of the project's own service, and a prompt on a terminal that a server does
not have are different faults with different fixes.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import before, distribution_at, words_of
from seatrial.rules.serving import network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Frame, Raised
    from seatrial.findings import Finding

_HUBS = {  # distributions that fetch models by name
    "huggingface-hub": "the Hugging Face Hub",
    "transformers": "the Hugging Face Hub",
    "diffusers": "the Hugging Face Hub",
    "sentence-transformers": "the Hugging Face Hub",
    "tokenizers": "the Hugging Face Hub",
    "timm": "timm's hub",
    "open-clip-torch": "the hub of open_clip",
    "ultralytics": "the downloads of ultralytics",
    "easyocr": "the downloads of EasyOCR",
    "gdown": "Google Drive",
    "nltk": "NLTK's data",
    "spacy": "spaCy's models",
    "datasets": "the Hugging Face Hub",
    "kagglehub": "Kaggle",
    "torchvision": "PyTorch's downloads",
    "torchaudio": "PyTorch's downloads",
    "tiktoken": "tiktoken's downloads",
    "efficientnet-pytorch": "the downloads of efficientnet_pytorch",
    "segmentation-models-pytorch": "the downloads of segmentation_models_pytorch",
    "pytorchcv": "the downloads of pytorchcv",
    "wandb": "Weights & Biases",
    "mlflow": "the MLflow server",
}
_TORCH_HUB = re.compile(r"(?:^|[/.])torch[/.]hub(?:\.py)?$")
_UNREACHABLE = re.compile(
    r"(?i)name or service not known|name resolution|getaddrinfo failed|nodename nor servname|network is unreachable|"
    r"no route to host|connection refused|errno 111|connection reset|timed out|connecttimeout|readtimeout|max retries|"
    r"couldn't connect|cannot connect|failed to establish|connection error|connection aborted|remote end closed|"
    r"temporary failure|failed to resolve|unable to connect|could not connect|connection broken"
)
_LIMITED = re.compile(r"(?i)rate limit|HTTP Error 429|\b429 (?:Client Error|Too Many)|Too Many Requests")
_OFFLINE = re.compile(
    r"(?i)offline mode|outgoing traffic has been disabled|HF_HUB_OFFLINE|local_files_only|"
    r"find them in the cached files|"
    r"cannot find the requested files in the (?:disk|local) cache|LocalEntryNotFound"
)
_REFUSED = re.compile(
    r"(?i)\b(?P<status>401|403|404)\b (?:Client Error|Forbidden|Unauthorized)|HTTP Error (?P<plain>401|403|404)"
    r"|Gated ?Repo|RepositoryNotFound|gated repo|is not a valid model identifier"
)
_TLS = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|certificate verify failed|self[- ]signed certificate"
)
_PROXY = re.compile(r"ProxyError|Tunnel connection failed|407 Proxy")
_HASH = re.compile(r"invalid hash value \(expected")
_HOST = re.compile(
    r"on host \"(?P<h>[\w.-]+)\"[^\n]{0,80}port (?P<hp>\d+)|"
    r"host='(?P<a>[\w.-]+)', port=(?P<ap>\d+)|https?://(?P<b>[\w.-]+)(?::(?P<bp>\d+))?|"
    r"\('(?P<c>[\w.:-]+)', (?P<cp>\d{1,5})\)|(?:connecting to|connect to|server at|host) [\"']?(?P<d>[\w.-]+)[\"']?"
    r"(?:[:, ]+(?:port )?\(?(?P<dp>\d{2,5}))|\b(?P<e>(?:\d{1,3}\.){3}\d{1,3}):(?P<ep>\d{1,5})|"
    r"\b(?P<f>localhost|[a-z][\w-]*(?:\.[\w-]+)*):(?P<fp>\d{2,5})\b|\(host:port\)[^\w]*(?P<g>[\w.-]+):(?P<gp>\d+)"
)
_WIDE = frozenset(
    (
        "ConnectionError",
        "ConnectionRefusedError",
        "gaierror",
        "URLError",
        "HTTPError",
        "ConnectError",
        "ConnectTimeout",
        "TimeoutError",
        "OSError",
        "SSLError",
        "MaxRetryError",
        "ProxyError",
        "ReadTimeout",
        "OperationalError",
        "ServiceUnavailable",
        "NewConnectionError",
        "LocalEntryNotFoundError",
        "OfflineModeIsEnabled",
        "HfHubHTTPError",
        "RepositoryNotFoundError",
        "GatedRepoError",
        "ServerSelectionTimeoutError",
        "RetryError",
        "SSLCertVerificationError",
        "RuntimeError",
        "ValueError",
        "ConnectionResetError",
        "RemoteDisconnected",
        "TransportError",
        "ClientConnectorError",
        "EnvironmentError",
    )
)
_TRUST = re.compile(
    r"(?i)do you (?:trust|wish|want)\b[^\n]*(?:trust|custom code|repository)[^\n]*(?:\[y/n\]|\(y/n\))|"
    r"list of trusted repositories|pass the argument [`'\"]?trust_remote_code=True"
)
_SHIP = (
    "fetch the files once where there is a network, put them into the artifacts, and load them from that folder (a "
    "path in place of a name)"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception of a connection, or of a prompt that nobody can answer."""
    words = words_of(raised)
    if raised.name == "EOFError" or "EOF when reading a line" in words:
        yield from _prompt(raised)
        return
    if raised.name not in _WIDE and not raised.name.endswith(
        ("ConnectionError", "TimeoutError", "HTTPError", "Unavailable")
    ):
        return
    frames = [frame for each in raised.chain() for frame in each.frames]
    hub = _hub(frames, words)
    if _HASH.search(words):
        finding = network.OUTSIDE_CONNECTION.finding(
            "a downloaded file of weights does not have the hash in its name: the download broke off, or it is "
            "another file",
            fix=f"delete the file from the cache; {_SHIP}",
        )
        yield Diagnosis(finding, "torch compared the download with the hash in its name", raised.position)
    elif hub and (told := _of_hub(hub, words, frames, _url(raised, case))):
        message, cause, fix, why = told
        finding = network.OUTSIDE_CONNECTION.finding(message, cause=cause, fix=fix)
        yield Diagnosis(finding, why, raised.position)
    elif _installing(words, frames):
        return
    elif "metadata.google.internal" in words or "169.254.169.254" in words:
        return  # a library of Google that looks for credentials
    elif _UNREACHABLE.search(words) or raised.name in ("ConnectionRefusedError", "gaierror"):
        yield from _unreachable(raised, words)
    elif _TLS.search(words) or _PROXY.search(words):
        finding = network.OUTSIDE_CONNECTION.finding(
            f"the predictor opens a connection to {_host(words) or 'the outside'}, and its TLS or proxy fails",
            cause="A proxy with a certificate of its own, or an image without ca-certificates.",
            fix=(
                f"if it fetches files: {_SHIP}; else install ca-certificates and set SSL_CERT_FILE to the proxy's "
                "certificate"
            ),
        )
        yield Diagnosis(finding, "the exception is about a certificate or a proxy", raised.position)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a prompt for trust in a repository, which a server cannot answer."""
    if _TRUST.search(statement.text) and not any(raised.name == "EOFError" for raised in case.raised):
        yield Diagnosis(_trust(statement.text), "the library asks on the terminal", statement.position)


def _prompt(raised: Raised) -> Iterator[Diagnosis]:
    if not any("input(" in frame.source or "getpass" in frame.file for frame in raised.frames[-2:]):
        return
    frames = raised.frames
    hub = any(_TORCH_HUB.search(frame.file) for frame in frames)
    if hub or any("trust" in f"{frame.function} {frame.source}" for frame in frames):
        yield Diagnosis(
            _trust("torch.hub" if hub else ""),
            "a function about trust reads an answer from the terminal",
            raised.position,
        )
        return
    asks = next(
        (
            f.distribution or distribution_at(f.file)
            for f in reversed(frames)
            if f.distribution or distribution_at(f.file)
        ),
        "",
    )
    finding = network.OUTSIDE_CONNECTION.finding(
        f"{asks or 'the code'} asks a question on the terminal, and a server has none",
        cause="Its standard input is empty, so the question ends in EOFError.",
        fix="give the answer as an argument or a variable of the environment (a login, a key, a consent)",
    )
    yield Diagnosis(finding, "input() was called and there was nothing to read", raised.position)


def _trust(text: str) -> Finding:
    of_hub = "torch.hub" in text or "list of trusted repositories" in text
    what = "torch.hub" if of_hub else "a hub"
    return network.OUTSIDE_CONNECTION.finding(
        f"{what} asks on the terminal whether to trust the repository, and a server cannot answer",
        cause="The code of the model is downloaded from a repository when the server starts.",
        fix=(
            "do not load from the hub in serving: clone the repository once, ship its code and weights, and load with "
            '`source="local"`; `trust_repo=True` only silences the question'
            if of_hub
            else f"{_SHIP}; `trust_remote_code=True` runs code of the repository, so read and ship it"
        ),
    )


def _hub(frames: list[Frame], words: str) -> str:
    """Return whose download it is; "" if no library that fetches models took part."""
    if any(_TORCH_HUB.search(frame.file) for frame in frames):
        return "torch.hub"
    for frame in frames:
        name = frame.distribution or distribution_at(frame.file)
        if name in _HUBS:
            return _HUBS[name]
    if re.search(r"huggingface\.co|hf\.co|huggingface_hub|hf-hub", words):
        return "the Hugging Face Hub"
    if re.search(r"download\.pytorch\.org|api\.github\.com|github\.com/pytorch", words):
        return "torch.hub"
    return ""


def _of_hub(hub: str, words: str, frames: list[Frame], url: str) -> tuple[str, str, str, str] | None:
    """Return message, cause, fix and why for a download that failed; None if it is about something else."""
    wanted = url or _wanted(frames)
    what = f" ({wanted})" if wanted else ""
    local = ""
    if hub == "torch.hub":
        local = '; torch.hub.load takes a cloned folder with `source="local"`, and weights with load_state_dict'
    elif hub == "the Hugging Face Hub":
        local = "; write it with save_pretrained(), and set HF_HUB_OFFLINE=1 in the image"
    fix = f"{_SHIP}{local}"
    if _LIMITED.search(words):
        who = "GitHub" if hub == "torch.hub" else hub
        cause = f"{who} counts requests by address, and machines of a cloud share addresses."
        return (
            f"{hub} was asked while the server loads, and the service limits requests{what}",
            cause,
            fix,
            ("the exception is about a limit of requests, in a call that downloads"),
        )
    if _OFFLINE.search(words) or _UNREACHABLE.search(words):
        cause = "The model is given by a name, not a folder, and the server has no way out or no copy in its cache."
        return (
            f"{hub} cannot be reached while the server loads{what}",
            cause,
            fix,
            f"a call that downloads from {hub} failed",
        )
    if _TLS.search(words) or _PROXY.search(words):
        cause = "A proxy with a certificate of its own, or an image without ca-certificates."
        return (
            f"the connection to {hub} fails at TLS or the proxy{what}",
            cause,
            fix,
            "the exception is about a certificate",
        )
    if refused := _REFUSED.search(words):
        status = refused["status"] or refused["plain"] or ""
        cause = "The name is wrong, or the model is private or gated and the server has no token for it."
        return (
            f"{hub} refuses the download {status}{what}".replace("  ", " "),
            cause,
            fix,
            "the hub answered and refused",
        )
    return None


def _url(raised: Raised, case: Case) -> str:
    """Return what a download said that it fetches; "" if nothing did."""
    found = re.findall(r'Downloading: "(https?://[^"\n]{1,300})"', before(case, raised.position, 20_000))
    return f"it downloads {found[-1]}" if found else ""


def _wanted(frames: list[Frame]) -> str:
    """Return the user's call of a hub, as written."""
    for frame in reversed(frames):
        if frame.owner == "project" and frame.source:
            return frame.source[:160]
    return ""


def _installing(words: str, frames: list[Frame]) -> bool:
    """Return whether an installer was speaking; its family judges it."""
    if "/simple/" in words:  # the path of every package index, https://peps.python.org/pep-0503/
        return True
    return any((frame.distribution or distribution_at(frame.file)) in ("pip", "uv") for frame in frames)


def _host(words: str) -> str:
    found = _HOST.search(words)
    if found is None:
        return ""
    groups = found.groupdict()
    for name in "habcdefg":
        if groups[name]:
            port = groups[f"{name}p"]
            return f"{groups[name]}:{port}" if port else groups[name]
    return ""


def _unreachable(raised: Raised, words: str) -> Iterator[Diagnosis]:
    where = _host(words)
    if not any(each.frames for each in raised.chain()):
        return  # one line, without the call that failed: many programs log it and go on
    user = raised.users
    line = f" (`{user.source[:120]}`)" if user and user.source else ""
    if where and _is_own(where.rpartition(":")[0] or where):
        finding = network.OUTSIDE_CONNECTION.finding(
            f"nothing answers at {where}: a service that the code needs is not there{line}",
            cause="The address is of this machine or of a private network; a container has only itself at localhost.",
            fix=(
                "do without it in serving, or start without waiting for it; if it is needed, give its address by a "
                "variable of the environment, and connect the endpoint to its network (private services access)"
            ),
        )
        yield Diagnosis(finding, f"{raised.name} names a host that is no public one", raised.position)
    elif where:
        finding = network.OUTSIDE_CONNECTION.finding(
            f"the predictor connects to {where}, which does not answer{line}",
            cause="On the server there may be no way out, and what is fetched is covered by no lock or digest.",
            fix=f"if it fetches files: {_SHIP}; else make the connection optional",
        )
        yield Diagnosis(finding, f"{raised.name} names the host", raised.position)


def _is_own(host: str) -> bool:
    """Return whether a host is of this machine or a private network: no public name."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".svc", ".cluster.local", ".lan"))
