"""Serving the initial trees of the file differential test as an image layer instead of the host's files: a catalog of the
tree, and its files where the agent puts hydrated ones."""
import shutil
import subprocess


class ImageVm:
    """A VM whose image shows `tree` (a host folder) at `mount` (an empty host folder)."""

    def __init__(self, runner, run, base, tree, mount):
        self.runner, self.run_program = runner, run
        self.folder = base / "vm"
        self.catalog = base / "image.plc"
        code, text = run([runner.win(runner.tools / "file_catalog.exe"), "--folder", runner.win(tree), "--as",
                          runner.win(mount), "--out", runner.win(self.catalog)], base / "catalog.log")
        if code:
            raise SystemExit(text)
        hydrated = self.folder / "image" / "C" / mount.relative_to(runner.drive)
        hydrated.parent.mkdir(parents=True)
        subprocess.run(["cp", "-a", str(tree), str(hydrated)], check=True)
        # The trees' own folders are made on demand.
        for empty in [p for p in hydrated.rglob("*") if p.is_dir() and not any(p.iterdir())]:
            shutil.rmtree(empty)

    def run(self, command, log):
        return self.run_program([self.runner.win(self.runner.tools / "plume-vmrun.exe"), "--dir",
                                 self.runner.win(self.folder), "--catalog", self.runner.win(self.catalog), "--",
                                 *command], log)
