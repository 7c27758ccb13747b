"""The wheel carries the Ansible collection too, so that `ansible-playbook lifeboat.toolkit.site` works from any folder.

Ansible looks for `ansible_collections` beside the packages of its Python. What is there is what galaxy.yml names;
everything else about the build is in pyproject.toml. An editable installation has none of it
(`toolkit.fleet.collection` then points at the repository).
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

COLLECTION = Path("ansible_collections", "lifeboat", "toolkit")
CARRIED = ("galaxy.yml", "LICENSE", "README.md", "meta/runtime.yml", "roles/**/*", "playbooks/*.yml", "plugins/**/*.py")


class BuildWithCollection(build_py):
    """Copies the collection beside the packages."""

    def run(self) -> None:
        """Build the packages, then copy; an empty pattern is an error, for a part would be missing in silence."""
        super().run()
        if self.editable_mode:
            return
        for pattern in CARRIED:
            files = [path for path in sorted(Path().glob(pattern)) if path.is_file()]
            if not files:
                raise FileNotFoundError(f"the collection lacks {pattern}")
            for file in files:
                target = Path(self.build_lib) / COLLECTION / file
                target.parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(str(file), str(target))


setup(cmdclass={"build_py": BuildWithCollection})
