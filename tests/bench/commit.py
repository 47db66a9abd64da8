#!/usr/bin/env python3
"""commit.py - the measuring half of tests/bench/commit.sh, which starts what it needs and calls it.

Inputs: what was written in a running container.
    a  1 GiB of random bytes in 8 files          d  20 changed files on a base of 50,000
    b  1 GiB of text in 8 files                  e  nothing, on a base of 50,000
    c  50,000 small files, a package tree
Tools: each turns the same files into an image in the same registry (on loopback, plain HTTP), in a repository that did
not exist before; the base image is in another repository, from where its layers may be mounted.
    stasis      the committer-agent with its default settings, asked through gRPC as snapshot-svc does it
    containerd  what nerdctl does: pause, containerd's differ with its default gzip, resume, config and manifest, ctr push
    buildah     buildah commit to docker://, with its defaults, on overlay storage
    podman      podman commit of a running container, then podman push
    floor       reading the same bytes once; and sha256, zstd (level and threads as the agent's) and writing the compressed
                bytes to the spool's file system (not synced, as the spool is), each alone. Its seconds are the slowest of
                these four: no commit can be faster, however well its steps overlap. Beside them stands what the registry
                alone takes for the compressed bytes ("push"): from a file that is there already, with nothing else to do.
Figures: seconds from asking to the manifest in the registry; milliseconds that the container stood still (buildah: never,
its image may be torn); CPU seconds of the tool's processes and of containerd where it is part of it; peak resident memory of
the same (the agent's alone for stasis); bytes of blobs that the base image does not have. The registry's own work (it
hashes and writes every byte) is part of the time; its CPU seconds are told apart. The page cache is warm: the files were
just written and synced. Tools take turns in each round, so that a busy machine hurts all of them. Numbers are medians,
spread is min and max of seconds. --mode says how stasis is asked: "handover" is a pause whose pod may go at once (the
container is made anew for each run); "hold" stays frozen until the image is pushed and is then thawed; "live" is a snapshot of
a container that runs on: most is read twice, once of it before the freeze.
"""
import argparse
import hashlib
import http.client
import io
import itertools
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import time
import urllib.request

INPUTS = {"a": "1 GiB random", "b": "1 GiB text", "c": "50,000 files", "d": "20 of 50,000", "e": "nothing"}
TOOLS = ["stasis", "containerd", "buildah", "podman", "floor"]
AGENT_LEVEL, AGENT_THREADS = "0", "1"  # of the agent's settings.c
CLOCK = os.sysconf("SC_CLK_TCK")
OCI = "application/vnd.oci.image."
PATHS = {1: "hold", 2: "handover", 3: "live"}  # committer.proto, CommitPath


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- inputs ----


def words(seed):
    """16 MiB of lines as logs and sources have them. A repetition is further away than any of the compressors looks."""
    chance = random.Random(seed)
    names = ["".join(chance.choices("etaoinshrdlucmfwypvbgk_", k=chance.randint(2, 11))) for _ in range(4000)]
    often = list(itertools.accumulate(1 / (rank + 2) for rank in range(len(names))))  # as words are in any language
    lines, size = [], 0
    while size < 16 << 20:
        line = f"{' '.join(chance.choices(names, cum_weights=often, k=10))} = {chance.randint(0, 10**5)};\n"
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()


def write_random(folder, mib):
    os.makedirs(folder)
    for n in range(8):
        with open(f"{folder}/random-{n}", "wb") as file:
            for _ in range(mib // 8):
                file.write(os.urandom(1 << 20))


def write_text(folder, mib):
    os.makedirs(folder)
    text = words(1)
    for n in range(8):
        with open(f"{folder}/text-{n}", "wb") as file:
            left = (mib // 8) << 20
            while left:
                part = text[:left]
                file.write(part)
                left -= len(part)
                cut = 4096 * (n + 1)
                text = text[cut:] + text[:cut]


def write_tree(folder, count):
    chance, text = random.Random(2), words(2)
    for n in range(count):
        place = f"{folder}/package-{n // 1000:03d}/module-{n // 20 % 50:02d}"
        if n % 20 == 0:
            os.makedirs(place)
        size = min(int(chance.expovariate(1 / 4000)), 200000)
        at = chance.randrange(len(text) - size)
        with open(f"{place}/file-{n % 20:02d}.js", "wb") as file:
            file.write(text[at : at + size])


def change_some(root, count):
    """20 files of the base, spread over its folders, get a line more."""
    for n in range(0, count, max(count // 20, 1)):
        with open(f"{root}/tree/package-{n // 1000:03d}/module-{n // 20 % 50:02d}/file-{n % 20:02d}.js", "ab") as file:
            file.write(b"changed\n")


def fill(name, root, options):
    """Writes an input into a container's root. Seeded: every tool gets the same bytes. In a process of its own: what
    ours has ever held would count as the peak of the tools that it starts."""
    run(sys.executable, __file__, "--write", name, root, options.dir, "--files", str(options.files), "--size", str(options.size))


def seed(name, options, place):
    """Large inputs are made once."""
    folder = f"{place}/seed-{name}"
    if not os.path.exists(folder):
        (write_random if name == "a" else write_text)(folder, options.size)
    return folder


def write(name, root, place, options):
    if name in "ab":
        shutil.copytree(seed(name, options, place), f"{root}/data")
    elif name == "c":
        write_tree(f"{root}/new", options.files)
    elif name == "d":
        change_some(root, options.files)


def base_of(name):
    return "tree" if name in "de" else "small"


# ---- measuring ----


class Usage:
    """CPU time and peak memory of a process that goes on, and of its children that have ended."""

    def __init__(self, pid, memory=True):
        self.pid, self.memory = pid, memory
        if memory:
            with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
        self.before = self.ticks()

    def ticks(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return sum(int(fields[i]) for i in (11, 12, 13, 14))

    def cpu_s(self):
        return (self.ticks() - self.before) / CLOCK

    def peak_mib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def run(*command, **more):
    """Runs to the end; CPU seconds and peak MiB of it and its children, and what it wrote."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE if "input" in more else subprocess.DEVNULL)
    if "input" in more:
        process.stdin.write(more["input"])
        process.stdin.close()
    out = process.stdout.read()
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Unable(f"{' '.join(command[:4])}: {errors.decode(errors='replace').strip()[-300:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.decode()


class Unable(Exception):
    """This tool cannot do it on this machine; why."""


class Registry:
    def __init__(self, options):
        self.host, self.pid = options.registry, options.registry_pid
        self.store = f"{options.dir}/registry/docker/registry/v2"
        self.kept = set(self.blobs())

    def blobs(self):
        root = f"{self.store}/blobs/sha256"
        return [f"{root}/{two}/{blob}" for two in os.listdir(root) for blob in os.listdir(f"{root}/{two}")]

    def forget(self):
        """Everything but the base images goes: each run finds the registry as the first one did."""
        for blob in set(self.blobs()) - self.kept:
            shutil.rmtree(blob)
        shutil.rmtree(f"{self.store}/repositories/run", ignore_errors=True)

    def get(self, path):
        kinds = f"{OCI}manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        request = urllib.request.Request(f"http://{self.host}/v2/{path}", headers={"Accept": kinds})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def bytes_of(self, repository, base):
        """Of the image that must be there now: what its base does not have."""
        known = {layer["digest"] for layer in json.loads(self.get(f"bench/{base}/manifests/1"))["layers"]}
        text = self.get(f"{repository}/manifests/1")
        manifest = json.loads(text)
        return len(text) + sum(b["size"] for b in [manifest["config"], *manifest["layers"]] if b["digest"] not in known)


# ---- containers of containerd ----


class Node:
    def __init__(self, options):
        self.options, self.dir = options, options.dir
        with open(f"{self.dir}/containerd.pid", encoding="ascii") as file:
            self.containerd_pid = int(file.read())
        self.containers = {}

    def ctr(self, *words, **more):
        return run("ctr", "--address", f"{self.dir}/containerd.sock", "--namespace", "k8s.io", *words, **more)

    def container(self, name):
        """As CRI would label it; filled with the input."""
        if name not in self.containers:
            uid = f"bench-{name}-{time.monotonic_ns()}"
            labels = {"io.cri-containerd.kind": "container", "io.kubernetes.pod.uid": uid, "io.kubernetes.pod.name": uid,
                      "io.kubernetes.pod.namespace": "default", "io.kubernetes.container.name": "main"}
            flags = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
            image = f"{self.options.registry}/bench/{base_of(name)}:1"
            self.ctr("run", "--detach", "--null-io", *flags, image, uid, "/bin/sleep", "1000000")
            pid = self.ctr("tasks", "ps", uid)[2].splitlines()[1].split()[0]
            fill(name, f"/proc/{pid}/root", self.options)
            self.containers[name] = uid
        return self.containers[name]

    def drop(self, name):
        uid = self.containers.pop(name, None)
        if uid:
            for words in (("tasks", "kill", "-s", "9", uid), ("tasks", "resume", uid), ("tasks", "rm", "-f", uid), ("containers", "rm", uid)):
                try:
                    self.ctr(*words)
                except Unable:
                    pass  # it is gone already, or was never frozen

    def upper(self, name):
        mounts = self.ctr("snapshots", "mounts", "/m", self.container(name))[2]
        return next(part[9:] for part in mounts.replace("\n", ",").replace(" ", ",").split(",") if part.startswith("upperdir="))


class Driver:
    """bench-commit-driver: one line in, one line out."""

    def __init__(self, options, *words):
        self.process = subprocess.Popen([f"{options.bin}/bench-commit-driver", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "it has ended"}')
        if "error" in answer:
            raise Unable(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Tool:
    def __init__(self, options, node):
        self.options, self.node = options, node

    def prepare(self, name):
        pass

    def close(self):
        pass


class Stasis(Tool):
    def __init__(self, options, node):
        super().__init__(options, node)
        address = f"unix:{options.dir}/agent.sock"
        self.log = open(f"{options.dir}/agent.log", "wb")
        self.agent = subprocess.Popen([f"{options.bin}/committer-agent", "--address", address, "--containerd-socket-path",
                                       f"{options.dir}/containerd.sock", "--state-dir", f"{options.dir}/agent", *options.agent_flags], stderr=self.log)
        self.driver = Driver(options, "agent", address)
        self.count = 0

    def prepare(self, name):
        self.node.container(name)

    def commit(self, name, repository):
        try:
            return self.measure(name, repository)
        finally:
            if self.options.mode == "handover":
                self.node.drop(name)  # it is dead: whoever comes next makes another

    def measure(self, name, repository):
        self.count += 1
        uid = self.node.container(name)
        own, theirs = Usage(self.agent.pid), Usage(self.node.containerd_pid, memory=False)
        answer = self.driver.ask(f"bench.{self.count}", uid, "main", f"{self.options.registry}/{repository}:1", self.options.mode)
        return {"seconds": answer["seconds"], "frozen_ms": answer["frozen_ms"], "cpu_s": own.cpu_s() + theirs.cpu_s(),
                "peak_mib": own.peak_mib(), "released_after_s": answer["released_after_s"],
                "path": PATHS.get(answer["path"], "?") + (f": {answer['path_why']}" if answer["path_why"] else "")}

    def close(self):
        self.driver.close()
        self.agent.terminate()
        self.agent.wait()
        self.log.close()


class Containerd(Tool):
    def __init__(self, options, node):
        super().__init__(options, node)
        self.driver = Driver(options, "diff", f"{options.dir}/containerd.sock")
        self.count = 0

    def layout(self, base, image, layer):
        """An OCI archive with the new config and manifest; ctr has the layers already."""
        registry = self.options.the_registry
        manifest = json.loads(registry.get(f"bench/{base}/manifests/1"))
        config = json.loads(registry.get(f"bench/{base}/blobs/{manifest['config']['digest']}"))
        config["rootfs"]["diff_ids"].append(layer["diff_id"])
        config.setdefault("history", []).append({"created_by": "bench"})
        files = {}

        def blob(value, kind):
            text = json.dumps(value).encode()
            digest = hashlib.sha256(text).hexdigest()
            files[f"blobs/sha256/{digest}"] = text
            return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(text)}

        manifest["config"] = blob(config, OCI + "config.v1+json")
        manifest["layers"].append({"mediaType": OCI + "layer.v1.tar+gzip", "digest": layer["digest"], "size": layer["size"]})
        entry = blob(manifest, OCI + "manifest.v1+json") | {"annotations": {"io.containerd.image.name": image}}
        files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, text in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
        return archive.getvalue()

    def prepare(self, name):
        self.node.container(name)

    def commit(self, name, repository):
        self.count += 1
        uid = self.node.container(name)
        image = f"{self.options.registry}/{repository}:1"
        daemon, driver = Usage(self.node.containerd_pid), Usage(self.driver.process.pid, memory=False)
        began = time.monotonic()
        layer = self.driver.ask(uid, f"bench-{self.count}")
        import_cpu, import_mib, _ = self.node.ctr("images", "import", "--no-unpack", "-", input=self.layout(base_of(name), image, layer))
        push_cpu, push_mib, _ = self.node.ctr("images", "push", "--plain-http", image)
        seconds = time.monotonic() - began
        result = {"seconds": seconds, "frozen_ms": layer["frozen_ms"], "cpu_s": daemon.cpu_s() + driver.cpu_s() + import_cpu + push_cpu,
                  "peak_mib": daemon.peak_mib() + max(import_mib, push_mib)}
        self.node.ctr("images", "rm", "--sync", image)
        return result

    def close(self):
        self.driver.close()



class Storage(Tool):
    """containers/storage in a folder of its own, mounted where the tools look for it: their cache of blobs is there, too."""

    program = None

    def __init__(self, options, node):
        super().__init__(options, node)
        if not shutil.which(self.program):
            raise Unable(f"{self.program} is not installed; run: deploy/install-deps.sh bench")
        place = f"{options.dir}/{self.program}"
        os.makedirs("/var/lib/containers", exist_ok=True)
        for part in ("lib", "run", "tmp"):
            os.makedirs(f"{place}/{part}")
        with open(f"{place}/policy.json", "w", encoding="ascii") as file:
            file.write('{"default": [{"type": "insecureAcceptAnything"}]}')
        run("mount", "--make-rprivate", "/")
        self.storage = ["--root", f"{place}/lib", "--runroot", f"{place}/run", "--storage-driver", "overlay"]
        self.place, self.made, self.env_home = place, {}, f"{place}/tmp"

    def call(self, *words):
        run("mount", "--bind", f"{self.place}/lib", "/var/lib/containers")
        try:
            return run("env", f"TMPDIR={self.place}/tmp", self.program, *self.storage, *words)
        finally:
            run("umount", "/var/lib/containers")

    def close(self):
        for made in self.made.values():
            try:
                self.remove(made)
            except Unable as why:
                say(f"{self.program}: {why}")
        for line in reversed(open("/proc/self/mountinfo", encoding="ascii").readlines()):
            where = line.split()[4]
            if where.startswith(self.place + "/"):
                subprocess.run(["umount", "-l", where], check=False)

    def prepare(self, name):
        if name not in self.made:
            self.made[name] = self.start(f"{self.options.registry}/bench/{base_of(name)}:1", name)


class Buildah(Storage):
    program = "buildah"

    def start(self, image, name):
        made = self.call("from", "--tls-verify=false", "--signature-policy", f"{self.place}/policy.json", image)[2].strip()
        fill(name, self.call("mount", made)[2].strip(), self.options)
        return made

    def remove(self, made):
        self.call("rm", made)

    def commit(self, name, repository):
        began = time.monotonic()
        cpu, peak, _ = self.call("commit", "--quiet", "--tls-verify=false", "--signature-policy", f"{self.place}/policy.json",
                                 self.made[name], f"docker://{self.options.registry}/{repository}:1")
        return {"seconds": time.monotonic() - began, "frozen_ms": None, "cpu_s": cpu, "peak_mib": peak}


class Podman(Storage):
    program = "podman"

    def start(self, image, name):
        self.call("pull", "--quiet", "--tls-verify=false", "--signature-policy", f"{self.place}/policy.json", image)
        made = self.call("--runtime", "runc", "--cgroup-manager", "cgroupfs", "create", "--network", "none", image, "/bin/sleep", "1000000")[2].strip()
        fill(name, self.call("mount", made)[2].strip(), self.options)
        return made

    def remove(self, made):
        self.call("rm", "--force", made)

    def commit(self, name, repository):
        local = f"localhost/{repository}:1"
        began = time.monotonic()
        commit_cpu, commit_mib, _ = self.call("commit", "--quiet", "--pause=false", self.made[name], local)
        push_cpu, push_mib, _ = self.call("push", "--quiet", "--tls-verify=false", "--signature-policy", f"{self.place}/policy.json",
                                          local, f"docker://{self.options.registry}/{repository}:1")
        result = {"seconds": time.monotonic() - began, "frozen_ms": None, "cpu_s": commit_cpu + push_cpu, "peak_mib": max(commit_mib, push_mib)}
        self.call("rmi", local)
        return result


class Floor(Tool):
    def prepare(self, name):
        self.node.container(name)

    def push(self, packed, repository):
        with open(packed, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            connection = http.client.HTTPConnection(self.options.registry, blocksize=256 << 10)
            began = time.monotonic()
            connection.request("POST", f"/v2/{repository}/blobs/uploads/")
            location = self.follow(connection, 202)
            size = os.fstat(file.fileno()).st_size
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size), "Content-Range": f"0-{size - 1}"}
            connection.request("PATCH", location, file, headers)
            location = self.follow(connection, 202)
            connection.request("PUT", f"{location}&digest=sha256:{digest}")
            self.follow(connection, 201)
            return time.monotonic() - began

    @staticmethod
    def follow(connection, want):
        answer = connection.getresponse()
        answer.read()
        if answer.status != want:
            raise Unable(f"the registry answers {answer.status}, want {want}")
        return answer.getheader("Location")

    def commit(self, name, repository):
        upper = self.node.upper(name)
        files = sorted(f"{folder}/{file}" for folder, _, names in os.walk(upper) for file in names)
        if name not in "ab":
            raise Unable("the floor is of large files only (a, b)")
        packed = f"{self.options.dir}/packed"
        try:
            cpu, peak, out = run(f"{self.options.bin}/bench-commit-floor", packed, AGENT_LEVEL, AGENT_THREADS, *files)
            steps = json.loads(out)
            size = steps.pop("packed")
            steps.pop("bytes")
            seconds = max(steps.values())
            steps["push"] = self.push(packed, repository)
        finally:
            os.unlink(packed)
        return {"seconds": seconds, "frozen_ms": None, "cpu_s": cpu, "peak_mib": peak, "steps": steps, "bytes_pushed": size}


KINDS = {"stasis": Stasis, "containerd": Containerd, "buildah": Buildah, "podman": Podman, "floor": Floor}


# ---- the whole ----


class Bench:
    def __init__(self, options):
        self.options = options
        self.node = Node(options)
        self.registry = options.the_registry = Registry(options)
        self.tools, self.unable = {}, {}
        for tool in options.tools:
            try:
                self.tools[tool] = KINDS[tool](options, self.node)
            except Unable as why:
                self.unable[tool] = str(why)

    def measure(self, name, tool, number):
        """One run of one tool; None when it cannot."""
        repository = f"run/{tool}-{name}-{number}"
        try:
            self.tools[tool].prepare(name)
            os.sync()
            registry = Usage(self.registry.pid, memory=False)
            result = self.tools[tool].commit(name, repository)
            result["registry_cpu_s"] = registry.cpu_s()
            if "bytes_pushed" not in result:
                result["bytes_pushed"] = self.registry.bytes_of(repository, base_of(name))
            return result
        except Unable as why:
            self.unable[tool, name] = str(why)
            return None
        finally:
            self.registry.forget()

    def rows(self, name):
        """Round by round, so that the tools meet the same neighbours."""
        results = {tool: [] for tool in self.tools}
        for number in range(self.options.runs):
            for tool in self.tools:
                if (tool, name) not in self.unable:
                    say(f"{name}: {tool}, run {number + 1} of {self.options.runs}")
                    result = self.measure(name, tool, number)
                    if result:
                        results[tool].append(result)
        for tool in self.options.tools:
            if results.get(tool):
                yield self.row(name, tool, results[tool])
            else:
                yield {"input": name, "tool": tool, "unable": self.unable.get((tool, name)) or self.unable.get(tool)}

    @staticmethod
    def row(name, tool, results):
        def median(key, digits):
            values = [r[key] for r in results if r.get(key) is not None]
            return round(statistics.median(values), digits) if values else None

        seconds = [r["seconds"] for r in results]
        row = {"input": name, "tool": tool, "seconds": median("seconds", 3), "frozen_ms": median("frozen_ms", 0), "cpu_s": median("cpu_s", 2),
               "peak_mib": round(max(r["peak_mib"] for r in results), 1), "bytes_pushed": median("bytes_pushed", 0), "runs": len(results),
               "spread": [round(min(seconds), 3), round(max(seconds), 3)], "registry_cpu_s": median("registry_cpu_s", 2)}
        if tool == "stasis" and any(r["released_after_s"] for r in results):
            row["released_after_s"] = median("released_after_s", 3)
        if tool == "stasis":
            row["path"] = results[-1]["path"]
        if tool == "floor":
            row["steps"] = {step: round(statistics.median(r["steps"][step] for r in results), 3) for step in results[0]["steps"]}
        return row

    def done_with(self, name):
        self.node.drop(name)

    def close(self):
        for tool in self.tools.values():
            tool.close()


def cell(value, form="{}"):
    return "-" if value is None else form.format(value)


def print_rows(name, rows):
    own = next((row for row in rows if row["tool"] == "stasis" and "seconds" in row), None)
    for row in rows:
        label = f"{name} {INPUTS[name]}" if row is rows[0] else ""
        if "unable" in row:
            print(f"{label:<16} {row['tool']:<11} {row['unable']}")
            continue
        ratio = ""
        if own and row is not own:
            ratio = f"{own['seconds'] and row['seconds'] / own['seconds']:.2f}" + (" of ours" if row["tool"] == "floor" else " x ours")
        spread = f"{row['spread'][0]:.2f}..{row['spread'][1]:.2f}"
        print(f"{label:<16} {row['tool']:<11} {row['seconds']:8.3f} {spread:>15} {cell(row['frozen_ms'], '{:.0f}'):>9} {row['cpu_s']:7.2f} "
              f"{row['registry_cpu_s']:8.2f} {row['peak_mib']:8.1f} {row['bytes_pushed'] / 2**20:10.2f}  {ratio}")
        if row.get("released_after_s"):
            print(f"{'':<28} {row['path']}; could be released after {row['released_after_s']:.3f} s")
        if "steps" in row:
            print(" " * 28 + ", ".join(f"{step} {seconds:.3f}" for step, seconds in row["steps"].items()))
    sys.stdout.flush()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--inputs", default="a,b,c,d,e", type=lambda text: text.split(","))
    parser.add_argument("--tools", default=",".join(TOOLS), type=lambda text: text.split(","))
    parser.add_argument("--size", type=int, default=1024, help="MiB of a and b")
    parser.add_argument("--files", type=int, default=50000, help="of c, and of the base of d and e")
    parser.add_argument("--mode", choices=("live", "hold", "handover"), default="handover")
    parser.add_argument("--agent-flag", action="append", default=[], dest="agent_flags", help="one more flag for the agent; may be repeated")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--make-tree", help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = (set(options.inputs) - set(INPUTS)) | (set(options.tools) - set(TOOLS))
    if unknown:
        parser.error(f"want inputs of {','.join(INPUTS)} and tools of {','.join(TOOLS)}, got {', '.join(sorted(unknown))}")
    return options


def main():
    options = parse()
    if options.make_tree:
        write_tree(options.make_tree, options.files)
        return
    if options.write:
        write(*options.write, options)
        return
    environment = os.environ
    options.dir, options.registry = environment["STASIS_BENCH_DIR"], environment["STASIS_BENCH_REGISTRY"]
    options.registry_pid, options.bin = int(environment["STASIS_BENCH_REGISTRY_PID"]), environment["STASIS_BENCH_BIN"]

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    bench = Bench(options)
    try:
        if not options.json:
            print(f"{options.runs} runs, medians; page cache warm; {options.size} MiB in a and b, {options.files} files in c and below d and e; "
                  f"stasis: {options.mode}; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
            print(f"{'input':<16} {'tool':<11} {'seconds':>8} {'min..max':>15} {'frozen ms':>9} {'cpu s':>7} {'regist.s':>8} {'peak MiB':>8} {'pushed MiB':>10}")
        for name in options.inputs:
            rows = list(bench.rows(name))
            if options.json:
                for row in rows:
                    print(json.dumps(row), flush=True)
            else:
                print_rows(name, rows)
            bench.done_with(name)
    finally:
        bench.close()


main()
