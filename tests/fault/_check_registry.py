#!/usr/bin/env python3
"""Everything that a registry shows must be whole: _check_registry.py URL. Each tag's manifest has its digest, and so has
every blob it names. Prints what was looked at; exit code 1 names what is wrong."""
import hashlib
import json
import sys
import urllib.request


def get(path):
    request = urllib.request.Request(sys.argv[1] + path, headers={"Accept": "*/*"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.read(), reply.headers


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def main():
    wrong, manifests, blobs = [], 0, 0
    for name in json.loads(get("/v2/_catalog")[0])["repositories"]:
        for tag in json.loads(get(f"/v2/{name}/tags/list")[0])["tags"]:
            text, headers = get(f"/v2/{name}/manifests/{tag}")
            manifests += 1
            if digest(text) != headers["Docker-Content-Digest"]:
                wrong.append(f"{name}:{tag}")
                continue
            manifest = json.loads(text)
            for descriptor in [manifest["config"], *manifest["layers"]]:
                blobs += 1
                try:
                    found = digest(get(f"/v2/{name}/blobs/{descriptor['digest']}")[0])
                except OSError as error:
                    found = str(error)
                if found != descriptor["digest"]:
                    wrong.append(f"{name}:{tag} {descriptor['digest']}: {found}")
    print(f"{manifests} manifests, {blobs} blobs")
    for line in wrong:
        print("wrong: " + line)
    sys.exit(1 if wrong else 0)


main()
