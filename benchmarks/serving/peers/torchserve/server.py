"""Archives the model as TorchServe's guide does, and starts the server with WORKERS processes and batches of BATCH."""

import os
import socket
import subprocess
import sys
from pathlib import Path

NAME = "classifier"
CONFIG = """\
inference_address=http://0.0.0.0:{port}
management_address=http://127.0.0.1:{management}
metrics_address=http://127.0.0.1:{metrics}
grpc_inference_port={grpc}
grpc_management_port={grpc_management}
model_store={store}
load_models={name}.mar
disable_token_authorization=true
enable_metrics_api=false
job_queue_size=1000
default_response_timeout=120
models={{"{name}": {{"1.0": {{"defaultVersion": true, "marName": "{name}.mar", "minWorkers": {workers}, \
"maxWorkers": {workers}, "batchSize": {batch}, "maxBatchDelay": 10, "responseTimeout": 120}}}}}}
"""


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def archive(store: Path) -> None:
    """Write the model's archive, unless it is newer than what it is made of."""
    here, made = Path(__file__).parent, store / f"{NAME}.mar"
    (weights,) = Path(os.environ["AIP_STORAGE_URI"]).glob("*.pt")
    handler = here / "handler.py"
    if made.exists() and made.stat().st_mtime > max(file.stat().st_mtime for file in (weights, handler)):
        return
    store.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).parent / "torch-model-archiver"), "--model-name", NAME, "--version", "1.0"]
    command += ["--handler", str(handler), "--extra-files", str(weights), "--force"]
    subprocess.run([*command, "--export-path", str(store)], check=True, timeout=60)


def main() -> None:
    """Become the server."""
    store = Path(os.environ["ARCHIVES"])
    archive(store)
    config = Path(os.environ["WORK"]) / "config.properties"
    ports = {name: free_port() for name in ("management", "metrics", "grpc", "grpc_management")}
    settings = {"workers": os.environ["WORKERS"], "batch": os.environ["BATCH"]}
    config.write_text(CONFIG.format(name=NAME, store=store, port=os.environ["AIP_HTTP_PORT"], **ports, **settings))
    log = Path(__file__).parent / "log4j2.xml"
    command = ["torchserve", "--start", "--foreground", "--disable-token-auth", "--ts-config", str(config)]
    command += ["--log-config", str(log)]
    os.execv(str(Path(sys.executable).parent / "torchserve"), command)  # noqa: S606


if __name__ == "__main__":
    main()
