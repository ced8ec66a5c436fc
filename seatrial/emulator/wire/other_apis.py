"""Google's other APIs, as far as a deployer reads them: projects, permissions, services, quota, repositories.

Everything exists, is allowed and is unlimited, except for what a fault takes away. This is a small subset of
cloudresourcemanager, serviceusage and artifactregistry. No projects are stored: any id is a project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.refusals import denied, disabled

UNLIMITED = -1  # serviceusage's limit of a metric without one
METRICS = ("custom_model_serving_cpus",)
_SERVICE = "aiplatform.googleapis.com"
_ID = r"(?P<project>[^/:]+)"  # of a project, or of a service account if the path names one
_METRICS_PATH = rf"/v1beta1/projects/{_ID}/services/{re.escape(_SERVICE)}/consumerQuotaMetrics"
_REPOSITORY_PATH = rf"/v1/projects/{_ID}/locations/(?P<region>[^/]+)/repositories/(?P<repository>[^/]+)"

Json = dict[str, Any]


class OtherApis:
    """Answers the APIs around Vertex AI; all projects share one number."""

    def __init__(self, number: str, faults: Faults) -> None:
        self._number, self._faults = number, faults

    def answer(
        self, method: str, path: str, query: Mapping[str, Sequence[str]], body: Callable[[], Json]
    ) -> Json | None:
        """Answer a request, or return None if it is not for these APIs; the body is read only if needed.

        Raises:
            RefusedError: the caller lacks a permission, or the service is not enabled.
        """
        for verb, pattern, service, permission, call in (
            ("POST", f"/v[13]/projects/{_ID}:testIamPermissions", "cloudresourcemanager", "", self._permissions),
            ("POST", f"/v1/projects/-/serviceAccounts/{_ID}:testIamPermissions", "iam", "", self._permissions),
            ("GET", f"/v3/projects/{_ID}", "cloudresourcemanager", "resourcemanager.projects.get", self._project),
            (
                "GET",
                f"/v1/projects/{_ID}/services:batchGet",
                "serviceusage",
                "serviceusage.services.get",
                self._services,
            ),
            ("GET", _METRICS_PATH, "serviceusage", "serviceusage.quotas.get", self._quota),
            ("GET", _REPOSITORY_PATH, "artifactregistry", "artifactregistry.repositories.get", self._repository),
        ):
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                self.require(service, permission, f"projects/{found['project']}")
                return call(found, query, body)
        return None

    def require(self, service: str, permission: str, resource: str) -> None:
        """Check that a service is enabled and that the caller has the permission for a call.

        Raises:
            RefusedError: one of them is missing; code 7.
        """
        host = f"{service}.googleapis.com"
        if host in self._faults.disabled:
            self._faults.mark("disabled", host)
            raise disabled(host, host, self._number)
        if permission in self._faults.denied:
            self._faults.mark("denied", permission)
            raise denied(permission, resource)

    def _permissions(self, _: object, __: object, body: Callable[[], Json]) -> Json:
        """Return the requested permissions that the caller has."""
        asked = [str(permission) for permission in body().get("permissions", [])]
        for permission in asked:
            self._faults.mark("denied", permission)
        held = [permission for permission in asked if permission not in self._faults.denied]
        return {"permissions": held} if held else {}

    def _project(self, found: re.Match[str], _: object, __: object) -> Json:
        return {"name": f"projects/{self._number}", "projectId": found["project"], "state": "ACTIVE"}

    def _services(self, _: object, query: Mapping[str, Sequence[str]], __: object) -> Json:
        services = []
        for asked in query.get("names", ()):
            host = asked.rpartition("/")[2]
            off = host in self._faults.disabled
            self._faults.mark("disabled", host)
            parent = f"projects/{self._number}"
            services.append(
                {
                    "name": f"{parent}/services/{host}",
                    "parent": parent,
                    "config": {"name": host},
                    "state": "DISABLED" if off else "ENABLED",
                }
            )
        return {"services": services}

    def _quota(self, _: object, __: object, ___: object) -> Json:
        limits = dict.fromkeys(METRICS, UNLIMITED) | self._faults.quota
        for metric in self._faults.quota:
            self._faults.mark("quota", metric)
        return {"metrics": [self._metric(name, limit) for name, limit in sorted(limits.items())]}

    def _metric(self, name: str, limit: int) -> Json:
        metric, unit = f"{_SERVICE}/{name}", "1/{project}/{region}"
        parent = f"projects/{self._number}/services/{_SERVICE}/consumerQuotaMetrics/{_SERVICE}%2F{name}"
        bucket = {"effectiveLimit": str(limit), "defaultLimit": str(limit)}
        limits = {
            "name": f"{parent}/limits/%2Fproject%2Fregion",
            "metric": metric,
            "unit": unit,
            "isPrecise": True,
            "quotaBuckets": [bucket],
        }
        return {"name": parent, "metric": metric, "displayName": name, "unit": unit, "consumerQuotaLimits": [limits]}

    def _repository(self, found: re.Match[str], _: object, __: object) -> Json:
        name = f"projects/{found['project']}/locations/{found['region']}/repositories/{found['repository']}"
        return {"name": name, "format": "DOCKER", "mode": "STANDARD_REPOSITORY"}
