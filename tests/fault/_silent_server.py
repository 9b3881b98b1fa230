#!/usr/bin/env python3
"""A server that falls silent without closing anything; prints the port it listens on.

  _silent_server.py MODE_FILE TARGET_PORT

MODE_FILE holds a word and is read again for every request:
  pass     what the server at TARGET_PORT answers (requests without a body)
  silent   never a word
  head     half of a head
  body     the head and half of the body
  trickle  the head, half of the body, then a byte every two seconds
  blobs    of blobs the head alone; the rest passes
"""
import socket
import sys
import threading
import time

mode_file, target = sys.argv[1], int(sys.argv[2])


def receive(connection, held, enough):
    while not enough(held):
        data = connection.recv(65536)
        if not data:
            raise OSError("closed")
        held += data
    return held


def answer_of(request):
    """(head, body) as they are on the wire."""
    with socket.create_connection(("127.0.0.1", target)) as far:
        far.sendall(request)
        head, _, body = receive(far, b"", lambda b: b"\r\n\r\n" in b).partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and not request.startswith(b"HEAD"):
                length = int(value)
        return head + b"\r\n\r\n", receive(far, body, lambda b: len(b) >= length)


def serve(client):
    held = b""
    try:
        while True:
            held = receive(client, held, lambda b: b"\r\n\r\n" in b)
            request, _, held = held.partition(b"\r\n\r\n")
            with open(mode_file) as f:
                mode = f.read().strip()
            if mode == "blobs" and b"/blobs/" not in request.split(b"\r\n")[0]:
                mode = "pass"
            if mode == "silent":
                time.sleep(3600)
            head, body = answer_of(request + b"\r\n\r\n")
            if mode == "head":
                client.sendall(head[:20])
                time.sleep(3600)
            now = {"pass": len(body), "blobs": 0}.get(mode, len(body) // 2)
            client.sendall(head + body[:now])
            if mode in ("body", "blobs"):
                time.sleep(3600)
            for at in range(now, len(body)):
                client.sendall(body[at:at + 1])
                time.sleep(2)
    except OSError:
        client.close()


listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
