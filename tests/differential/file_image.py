"""Serving the initial trees of the file differential test as an image layer instead of the host's files."""


class ImageVm:
    def __init__(self, runner, base, tree, mount):
        raise SystemExit("run_file.py: --image needs tools that are not built")
