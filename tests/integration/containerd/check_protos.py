#!/usr/bin/env python3
"""Compares our .proto subsets of containerd and CRI with the descriptors inside the installed containerd.

A Go program carries the gzipped FileDescriptorProto of each .proto it was built from; so the binary that we talk to
tells which numbers, types and names it speaks, without a network. Every message, field, enum value and method of ours
must be there, equal. Exit 77 (skipped) when containerd or protoc is not installed.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib

LABEL_REPEATED = 3


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            size = 8 if key & 7 == 1 else 4
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def one(data, number, default=b""):
    return next((value for key, value in fields(data) if key == number), default)


def many(data, number):
    return [value for key, value in fields(data) if key == number]


def text(data, number):
    return one(data, number).decode()


def read_message(out, scope, data):
    name = f"{scope}.{text(data, 1)}"
    out[f"message {name}"] = "message"
    for field in many(data, 2):
        kind = text(field, 6) or f"type {one(field, 5, 0)}"
        repeated = "repeated " if one(field, 4, 0) == LABEL_REPEATED else ""
        out[f"field {name}.{text(field, 1)}"] = f"{repeated}{kind} = {one(field, 3, 0)}"
    for nested in many(data, 3):
        read_message(out, name, nested)
    for nested in many(data, 4):
        read_enum(out, name, nested)


def read_enum(out, scope, data):
    for value in many(data, 2):
        out[f"enum value {scope}.{text(data, 1)}.{text(value, 1)}"] = str(one(value, 2, 0))


def read_service(out, scope, data):
    for method in many(data, 2):
        streams = (one(method, 5, 0), one(method, 6, 0))
        out[f"method {scope}.{text(data, 1)}/{text(method, 1)}"] = f"{text(method, 2)} {text(method, 3)} {streams}"


def read_file(out, data):
    scope = "." + text(data, 2)
    for message in many(data, 4):
        read_message(out, scope, message)
    for enum in many(data, 5):
        read_enum(out, scope, enum)
    for service in many(data, 6):
        read_service(out, scope, service)


def from_binary(path):
    with open(path, "rb") as file:
        binary = file.read()
    out = {}
    for match in re.finditer(b"\x1f\x8b\x08", binary):
        inflate = zlib.decompressobj(31)
        try:
            data = inflate.decompress(binary[match.start() : match.start() + (1 << 19)])
            if inflate.eof and text(data, 1).endswith(".proto"):
                read_file(out, data)
        except (zlib.error, IndexError, UnicodeDecodeError, AttributeError, TypeError):
            continue  # not a descriptor: any other bytes that look like gzip
    return out


def from_protos(folder):
    files = [
        os.path.relpath(path, folder)
        for part in ("containerd", "cri")
        for path in sorted(glob.glob(f"{folder}/{part}/**/*.proto", recursive=True))
    ]
    with tempfile.NamedTemporaryFile() as result:
        subprocess.run(["protoc", "-I", folder, "-I", "/usr/include", f"--descriptor_set_out={result.name}", *files], check=True)
        descriptors = result.read()
    out = {}
    for data in many(descriptors, 1):
        read_file(out, data)
    return out


def main():
    containerd = shutil.which("containerd")
    if not containerd or not shutil.which("protoc"):
        print("SKIP: containerd and protoc must be installed to compare their protos with ours", file=sys.stderr)
        return 77
    theirs, ours = from_binary(containerd), from_protos(sys.argv[1])
    if "message .runtime.v1.PodSandboxConfig" not in theirs:
        print(f"SKIP: {containerd} carries no descriptors that can be read", file=sys.stderr)
        return 77
    wrong = 0
    for name, value in ours.items():
        if theirs.get(name) != value:
            print(f"{name}: ours is {value}, containerd's is {theirs.get(name)}", file=sys.stderr)
            wrong += 1
    print(f"{len(ours)} names compared, {wrong} differ")
    return 1 if wrong or len(ours) < 100 else 0


sys.exit(main())
