#!/usr/bin/env python3
"""kubernetes.py - how long sandboxes take to pause and to resume on a Kubernetes cluster, and whose time that is.

    tests/bench/kubernetes.py --namespace NS --image IMAGE [--count 200] [--one-by-one 5] [--keep]

Needs kubectl in PATH with its KUBECONFIG, Stasis installed, and in the namespace the Secrets that it pushes and pulls with.
Two rounds: a few sandboxes one after the other, then --count at once. Each sandbox has written a small file before its
pause. Times are what a client sees that patches spec.pause and watches; they end in these shares:

    pause   wish -> Committing (control plane), -> snapshot Succeed (agent and registry, queue included), -> pod gone
            (kubelet), -> Paused (control plane)
    resume  wish -> pod created (control plane), -> pod ready (scheduler, kubelet, registry), -> Succeed (control plane)

Prints one table; exit code 1 when a sandbox is not where it should be in time.
"""
import argparse
import collections
import http.client
import json
import subprocess
import sys
import threading
import time

GROUP = "/apis/sandbox.opensandbox.io/v1alpha1/namespaces/"
PATIENCE_S = 600


def say(text):
    print(text, file=sys.stderr, flush=True)


class Cluster:
    """The API server, through kubectl's proxy on loopback."""

    def __init__(self):
        self.proxy = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.proxy.stdout.readline().rsplit(":", 1)[1])
        self.local = threading.local()

    def close(self):
        self.proxy.terminate()
        self.proxy.wait()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port)

    def call(self, method, path, body=None, kind="application/json"):
        if not hasattr(self.local, "connection"):
            self.local.connection = self.connect()
        connection = self.local.connection
        connection.request(method, path, body and json.dumps(body), {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


class Story:
    """When each thing was first seen of each object, told by watches: moment(name, what) since the last forget()."""

    def __init__(self, cluster, namespace):
        self.cluster = cluster
        self.changed = threading.Condition()
        self.moments = collections.defaultdict(dict)
        self.failures = {}
        self.watch(GROUP + namespace + "/batchsandboxes", self.sandbox)
        self.watch(GROUP + namespace + "/sandboxsnapshots", self.snapshot)
        self.watch(f"/api/v1/namespaces/{namespace}/pods", self.pod)

    def forget(self):
        with self.changed:
            self.moments.clear()

    def note(self, name, what):
        with self.changed:
            self.moments[name].setdefault(what, time.monotonic())
            self.changed.notify_all()

    def watch(self, path, tell):
        threading.Thread(target=self.follow_until_closed, args=(path, tell), daemon=True).start()

    def follow_until_closed(self, path, tell):
        try:
            self.follow(path, tell)
        except (OSError, http.client.HTTPException):
            if self.cluster.proxy.returncode is None and self.cluster.proxy.poll() is None:
                raise

    def follow(self, path, tell):
        """Lists, then watches; the server ends the watch of a reader that is too slow, so: over and over."""
        known = {}
        connection = self.cluster.connect()
        while True:
            listed = self.cluster.call("GET", path)
            present = {item["metadata"]["uid"]: item for item in listed["items"]}
            for uid in known.keys() - present.keys():
                tell("DELETED", known[uid])
            for item in present.values():
                tell("ADDED", item)
            known = present
            connection.request("GET", f'{path}?watch=1&resourceVersion={listed["metadata"]["resourceVersion"]}')
            for line in connection.getresponse():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    break
                uid = event["object"]["metadata"]["uid"]
                if event["type"] == "DELETED":
                    known.pop(uid, None)
                else:
                    known[uid] = event["object"]
                tell(event["type"], event["object"])
            connection.close()

    def sandbox(self, _, sandbox):
        for condition in sandbox.get("status", {}).get("conditions", []):
            if condition["type"] in ("PauseFailed", "ResumeFailed", "PodFailed"):
                self.failures[sandbox["metadata"]["name"]] = f'{condition["type"]}: {condition["message"]}'
        self.note(sandbox["metadata"]["name"], sandbox.get("status", {}).get("phase"))

    def snapshot(self, _, snapshot):
        phase = snapshot.get("status", {}).get("phase")
        self.note(snapshot["spec"]["sandboxName"], f"snapshot {phase}")

    def pod(self, kind, pod):
        owner = (pod["metadata"].get("ownerReferences") or [{}])[0]
        if owner.get("kind") != "BatchSandbox":
            return
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        if kind == "DELETED":
            self.note(owner["name"], "pod gone")
        elif ready and "deletionTimestamp" not in pod["metadata"]:
            self.note(owner["name"], "pod ready")
        elif kind == "ADDED":
            self.note(owner["name"], "pod created")

    def wait(self, names, what):
        deadline = time.monotonic() + PATIENCE_S
        with self.changed:
            while missing := [n for n in names if what not in self.moments[n]]:
                if failed := {n: self.failures[n] for n in names if n in self.failures}:
                    raise SystemExit(f"{len(failed)} sandboxes failed: {failed}")
                if not self.changed.wait(deadline - time.monotonic()) and time.monotonic() > deadline:
                    raise SystemExit(f"{len(missing)} sandboxes are not {what} after {PATIENCE_S} s: {missing[:5]}")


def sandbox(name, image):
    write = "echo kept >/kept; trap exit TERM; sleep infinity & wait"
    return {
        "apiVersion": "sandbox.opensandbox.io/v1alpha1",
        "kind": "BatchSandbox",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {
                    "containers": [
                        {"name": "sandbox", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", write]}
                    ]
                }
            },
        },
    }


class Round:
    def __init__(self, cluster, story, namespace, names):
        self.cluster, self.story, self.names = cluster, story, names
        self.path = GROUP + namespace + "/batchsandboxes"

    def create(self, image):
        for name in self.names:
            self.cluster.call("POST", self.path, sandbox(name, image))
        self.story.wait(self.names, "Succeed")

    def wish(self, pause, end):
        """Patches all as fast as one connection can; answers when each was asked."""
        self.story.forget()
        asked = {}
        for name in self.names:
            asked[name] = time.monotonic()
            body = {"spec": {"pause": pause}}
            self.cluster.call("PATCH", f"{self.path}/{name}", body, "application/merge-patch+json")
        self.story.wait(self.names, end)
        return asked

    def shares(self, asked, steps):
        """For each step the seconds since the step before, for each sandbox; the last is the whole."""
        columns = [[] for _ in range(len(steps) + 1)]
        for name in self.names:
            at = [asked[name]]
            for step in steps:
                at.append(max(at[-1], self.story.moments[name].get(step, at[-1])))
            for i in range(len(steps)):
                columns[i].append(at[i + 1] - at[i])
            columns[-1].append(at[-1] - at[0])
        return columns

    def pause(self):
        return self.shares(self.wish(True, "Paused"), ["snapshot Committing", "snapshot Succeed", "pod gone", "Paused"])

    def resume(self):
        return self.shares(self.wish(False, "Succeed"), ["pod created", "pod ready", "Succeed"])

    def delete(self):
        for name in self.names:
            self.cluster.call("DELETE", f"{self.path}/{name}", {"propagationPolicy": "Background"})


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def row(what, count, columns, own):
    """own: which columns are the control plane's."""
    plane = [sum(columns[i][n] for i in own) for n in range(count)]
    cells = []
    for values in (columns[-1], plane):
        cells += [percentile(values, 50), percentile(values, 95), max(values)]
    rest = "  ".join(f"{percentile(column, 50):6.2f}" for column in columns[:-1])
    print(f"{what:<22} {count:>5}  {cells[0]:7.2f} {cells[1]:7.2f} {cells[2]:7.2f}   {cells[3]:7.3f} {cells[4]:7.3f} {cells[5]:7.3f}   {rest}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--one-by-one", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="do not delete the sandboxes")
    options = parser.parse_args()

    cluster = Cluster()
    try:
        story = Story(cluster, options.namespace)
        singles = [Round(cluster, story, options.namespace, [f"single-{n}"]) for n in range(options.one_by_one)]
        crowd = Round(cluster, story, options.namespace, [f"crowd-{n}" for n in range(options.count)])
        alone = {"pause": [], "resume": []}
        for n, single in enumerate(singles):
            single.create(options.image)
            alone["pause"].append(single.pause())
            alone["resume"].append(single.resume())
            say(f"one by one: {n + 1} of {len(singles)}")
        began = time.monotonic()
        crowd.create(options.image)
        say(f"{options.count} created and running in {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        paused = crowd.pause()
        pause_s = time.monotonic() - began
        say(f"{options.count} paused in {pause_s:.1f} s")
        began = time.monotonic()
        resumed = crowd.resume()
        resume_s = time.monotonic() - began
        say(f"{options.count} resumed in {resume_s:.1f} s")

        print(f"{'seconds':<22} {'count':>5}  {'p50':>7} {'p95':>7} {'max':>7}   {'own p50':>7} {'own p95':>7} {'own max':>7}   shares (p50)")
        merged = {verb: [sum((r[i] for r in rounds), []) for i in range(len(rounds[0]))] for verb, rounds in alone.items() if rounds}
        for verb, own in (("pause", (0, 3)), ("resume", (0, 2))):
            if verb in merged:
                row(f"{verb}, one by one", len(singles), merged[verb], own)
        row(f"pause, all in {pause_s:.0f} s", options.count, paused, (0, 3))
        row(f"resume, all in {resume_s:.0f} s", options.count, resumed, (0, 2))
        print("own: the control plane's share; shares: pause = wish, commit, pod goes, Paused; resume = wish, pod starts, Succeed")
        if not options.keep:
            for group in singles + [crowd]:
                group.delete()
    finally:
        cluster.close()


main()
