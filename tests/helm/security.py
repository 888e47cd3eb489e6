"""The restricted Pod Security Standard, control by control, written from its text (Kubernetes documentation, 1.37).

A field that may be left out may be left out here; one that must be set must be, on the pod or on every container.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Fields = dict[str, Any]

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
SECCOMP = {"RuntimeDefault", "Localhost"}
HANDLERS = ("httpGet", "tcpSocket")


def violations(spec: Fields) -> list[str]:
    """Of a pod's spec; each begins with where."""
    found = [f"pod: {text}" for text in [*_pod(spec), *_context(spec.get("securityContext") or {})]]
    for one in _containers(spec):
        context = one.get("securityContext") or {}
        texts = [*_container(one, context), *_context(context), *_effective(spec.get("securityContext") or {}, context)]
        found += [f"{one['name']}: {text}" for text in texts]
    return found


def _containers(spec: Fields) -> Iterator[Fields]:
    for key in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(key) or []


def _pod(spec: Fields) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key
    for volume in spec.get("volumes") or []:
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']} of a forbidden type"
    for sysctl in (spec.get("securityContext") or {}).get("sysctls") or []:
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"


def _context(context: Fields) -> Iterator[str]:
    """What a pod's and a container's security context must not say."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess"
    if context.get("runAsUser") == 0:
        yield "runAsUser is root"
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot is false"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "appArmorProfile"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "seccompProfile"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"


def _container(one: Fields, context: Fields) -> Iterator[str]:
    capabilities = context.get("capabilities") or {}
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if "ALL" not in (capabilities.get("drop") or []):
        yield "capabilities do not drop ALL"
    if not set(capabilities.get("add") or []) <= {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    if any(port.get("hostPort") for port in one.get("ports") or []):
        yield "hostPort"
    hooks = [*(one.get("lifecycle") or {}).values()]
    hooks += [one.get(name) or {} for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    if any((hook.get(handler) or {}).get("host") for hook in hooks for handler in HANDLERS):
        yield "a probe or hook of another host"


def _effective(pod: Fields, context: Fields) -> Iterator[str]:
    """What must be said by the container, or by the pod for it."""
    if context.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if not context.get("seccompProfile", pod.get("seccompProfile")):
        yield "no seccompProfile"
