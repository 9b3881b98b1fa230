#!/usr/bin/env python3
"""Replaces the signatures of the image that the tag 1 means by wrong ones.

  _wrong_signature.py SERVER REPOSITORY KIND KEYS
"""
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request

SERVER, NAME, KIND, KEYS = sys.argv[1:]
TYPE = "application/vnd.oci.image.manifest.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"


def ask(method, path, data=None, kind="application/octet-stream"):
    request = urllib.request.Request(SERVER + path, data, {"Content-Type": kind, "Accept": TYPE}, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.headers, answer.read()


def push(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    location = ask("POST", f"/v2/{NAME}/blobs/uploads/", b"")[0]["Location"]
    ask("PUT", location + "?digest=" + digest, data)
    return digest


def signed(payload, key):
    with tempfile.NamedTemporaryFile() as file:
        file.write(payload)
        file.flush()
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", os.path.join(KEYS, key), file.name],
                              check=True, capture_output=True).stdout


manifest = ask("GET", f"/v2/{NAME}/manifests/1")[1]
tag = "sha256-" + hashlib.sha256(manifest).hexdigest() + ".sig"
document = json.loads(ask("GET", f"/v2/{NAME}/manifests/{tag}")[1])
layer = document["layers"][0]
payload = base64.b64decode(layer["data"])
right = base64.b64decode(layer["annotations"][ANNOTATION])

signature = right
if KIND == "cut":
    signature = right[:-1]
elif KIND == "flip":
    signature = right[:40] + bytes([right[40] ^ 1]) + right[41:]
elif KIND == "other-image":  # really signed, but not this
    content = json.loads(payload)
    content["critical"]["image"]["docker-manifest-digest"] = "sha256:" + 64 * "a"
    payload = json.dumps(content).encode()
    signature = signed(payload, "key.pem")
elif KIND == "other-key":
    signature = signed(payload, "strange.pem")
elif KIND == "other-curve":
    signature = signed(payload, "p384.pem")
elif KIND == "other-payload":  # changed after it was signed
    payload = payload.replace(b'"issued":', b'"issued":1')
elif KIND == "other-tag":  # really signed, but as something else
    content = json.loads(payload)
    content["optional"]["plume"]["tags"] = ["0"]
    payload = json.dumps(content).encode()
    signature = signed(payload, "key.pem")

if KIND == "none":
    document["layers"] = []
elif KIND == "garbage":
    document["layers"] = [{"mediaType": "x/y", "digest": push(b"garbage"), "size": 7}]
else:
    layer.update(digest=push(payload), size=len(payload), data=base64.b64encode(payload).decode())
    layer["annotations"][ANNOTATION] = base64.b64encode(signature).decode()
ask("PUT", f"/v2/{NAME}/manifests/{tag}", json.dumps(document).encode(), TYPE)
