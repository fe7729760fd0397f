"""Versions and commit of what computes."""

import subprocess

import slumpmap
from slumpmap.sidecar.software import git_commit, software


def test_versions_of_what_is_loaded():
    import numpy as np

    said = software()
    assert said["slumpmap"] == slumpmap.__version__
    assert said["libraries"]["numpy"] == np.__version__


def test_commit_is_that_of_the_checkout_and_none_elsewhere(tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git("init", "-q")
    # The file lies in a checkout, but does not belong to it.
    assert git_commit(package) is None
    git("add", ".")
    git("commit", "-qm", "first")
    head = git("rev-parse", "HEAD").strip()
    assert git_commit(package) == {"commit": head, "changed": False}
    (package / "__init__.py").write_text("changed")
    assert git_commit(package) == {"commit": head, "changed": True}
