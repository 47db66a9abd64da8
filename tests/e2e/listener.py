#!/usr/bin/env python3
"""listener.py ADDRESS FILE - appends what anybody sends to a free port of ADDRESS to FILE; prints the port first.

The outside world of the crash tests: what has arrived here was acknowledged by the sandbox and must not be lost."""
import os
import socket
import sys
import threading


def receive(connection, out):
    with connection:
        while chunk := connection.recv(65536):
            os.write(out, chunk)


def main():
    address, path = sys.argv[1:]
    out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with socket.create_server((address, 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=receive, args=(connection, out), daemon=True).start()


main()
