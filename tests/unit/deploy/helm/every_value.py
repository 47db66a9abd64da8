#!/usr/bin/env python3
"""every_value.py HELM CHART - prints each value of the chart that changes nothing when it is changed, and nothing else."""
import copy
import functools
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import yaml

# What the schema accepts where a word of our own would not do; by the last name of the value.
OTHER = {
    "tolerations": [{"key": "other", "operator": "Exists"}],
    "imagePullSecrets": [{"name": "other"}],
    "apiFrom": [{"podSelector": {}}],
    "metricsFrom": [{"podSelector": {}}],
    "allowedHostPaths": ["/other"],
    "seLinuxOptions": {"type": "spc_t"},
    "affinity": {"nodeAffinity": {}},
    "logLevel": "debug",
    "commitMode": "job",
    "ttlWhilePaused": "run",
    "pausedRetention": "7h",
    "pullPolicy": "Always",
    "sandboxImagePullPolicy": "Always",
    "service.type": "NodePort",
    "updateStrategy.type": "OnDelete",
    "compression": "gzip",
    "commitJobTimeout": "7m",
    "uploadTimeout": "7m",
    "holdTimeout": "7m",
    "warmRetention": "7m",
    "ioPriority": "idle",
    "duration": "700h",
    "sandboxCreateTimeout": "7s",
    "connectTimeout": "7s",
    "idleTimeout": "7m",
    "execdInitResources": {"limits": {"cpu": "77m"}},
    "sandboxTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}},
    "cpu": "77m",
    "memory": "77Mi",
    "containerdSocketPath": "/other/containerd.sock",
    "containerdRoot": "/other",
    "stateDir": "/other",
    "digest": "sha256:" + "a" * 64,
    "registry": "other.example/path",
    "imageRegistry": "other.example",
    "concurrency": "batchsandbox=3",
}
OWN_CERTIFICATES = {f"tls.existingSecrets.{name}": "mine" for name in ("lifecycleSvc", "snapshotSvc", "committerAgent")}
# A value that matters only beside these.
BESIDE = {
    "tls.certManager": {"tls.certManager.enabled": True, "tls.certManager.issuerRef.name": "ca"},
    "tls.existingSecrets": OWN_CERTIFICATES,
    "agent.registryCA.key": {"agent.registryCA.configMap": "ca"},
    "apiKey.key": {"apiKey.existingSecret": "keys"},
}


def leaves(values, path=()):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, path + (name,))
        else:
            yield path + (name,), value


def with_value(values, path, value):
    changed = copy.deepcopy(values)
    folder = changed
    for name in path[:-1]:
        folder = folder[name]
    folder[path[-1]] = value
    return changed


def other_than(path, value):
    for name in (".".join(path[-2:]), path[-1]):
        if name in OTHER:
            return OTHER[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return ["other"]
    return {"other": "value"} if isinstance(value, dict) else "other"


@functools.lru_cache
def render(helm, chart, text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([helm, "template", "stasis", chart, "-f", file.name], capture_output=True, text=True)
    if done.returncode != 0:
        return "refused: " + done.stderr
    random = re.compile(r"^( *(?:tls\.crt|tls\.key|ca\.crt|api-key): ).*", re.M)
    time = re.compile(r'(renew-after: "\d+)\d{4}"')  # a day's difference stays
    return time.sub(r"\1", random.sub(r"\1", done.stdout))


def main():
    helm, chart = sys.argv[1:]
    with open(chart + "/values.yaml", encoding="utf-8") as file:
        defaults = yaml.safe_load(file)

    def check(leaf):
        path, _ = leaf
        beside = {} if path[0] == "tls" else dict(OWN_CERTIFICATES)  # making keys takes its time
        for prefix, wanted in BESIDE.items():
            if ".".join(path).startswith(prefix):
                beside.update(wanted)
        base = defaults
        for name, wanted in beside.items():
            base = with_value(base, name.split("."), wanted)
        value = functools.reduce(dict.__getitem__, path, base)
        texts = [yaml.safe_dump(values) for values in (base, with_value(base, path, other_than(path, value)))]
        before, after = (render(helm, chart, text) for text in texts)
        for text in (before, after):
            if text.startswith("refused: "):
                return ".".join(path) + " " + text
        return ".".join(path) if before == after else None

    with ThreadPoolExecutor(2) as pool:
        for nothing in filter(None, pool.map(check, leaves(defaults))):
            print(nothing)


main()
