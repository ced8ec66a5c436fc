"""The public texts that the contract is made of."""

from __future__ import annotations

from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, DOCS

VERTEX = CONTAINER_REQUIREMENTS
LIMITS = f"{DOCS}/predictions/choose-endpoint-type"
LOGGING = f"{DOCS}/predictions/online-prediction-logging"
RAW_PREDICT = f"{DOCS}/predictions/get-online-predictions"
STOPPING = "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination"
PILLOW = "https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes"
BOMB = "https://pillow.readthedocs.io/en/stable/reference/limits.html"
REQUEST_ID = "https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-request-id"
PROXY_KEEP_ALIVE = "https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive_timeout"
SLOW_CLIENTS = "https://owasp.org/www-community/attacks/Denial_of_Service"
TRACEBACKS = "https://owasp.org/www-community/Improper_Error_Handling"
DATA_URL = "https://www.rfc-editor.org/rfc/rfc2397"


def rfc(number: int, section: str = "") -> str:
    """Return the address of an RFC, or of a section of it."""
    return f"https://www.rfc-editor.org/rfc/rfc{number}" + (f"#section-{section}" if section else "")
