"""The checks of Python and of the packages: what this package declares, compared with what is installed. Loads none."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from rsbot_beam.data.findings import Finding

PACKAGE = "rsbot-beam"

# What does not work without an extra.
DISABLED = {
    "learning": "the steps analyze and transform of `rsbot export`, and `rsbot train`, `evaluate` and `predict`",
    "scores": "the baselines beside the scores of `rsbot evaluate`",
    "vectors": "regions and labels from vector files other than GeoJSON",
    "views": "pictures and pages",
    "local": "`rsbot earth` and `--ee_url local`",
}
_REINSTALL = f'install the package: `pip install "{PACKAGE}[all]"`, or `make setup` in its repository'


@dataclass(frozen=True)
class Declared:
    """What the package declares that it needs.

    Attributes:
        python: Versions of Python, such as `>=3.10,<3.13`.
        requirements: Always needed.
        extras: Needed for each extra, beside those.
    """

    python: str
    requirements: tuple[Requirement, ...]
    extras: Mapping[str, tuple[Requirement, ...]]


def declared(package: str = PACKAGE) -> Declared | None:
    """What an installed package declares; None if it is not installed, as when it is run from a folder."""
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return None
    needs = [Requirement(text) for text in found.requires or ()]
    extras = {
        extra: tuple(need for need in needs if need.marker is not None and need.marker.evaluate({"extra": extra}))
        for extra in DISABLED
    }
    always = tuple(need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""}))
    return Declared(str(found.metadata["Requires-Python"] or ""), always, extras)


def installed(name: str) -> str | None:
    """Version of a package, or None if it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_python(package: Declared | None, version: str | None = None) -> Finding:
    """Whether this Python is one that the package supports.

    Args:
        package: What it declares.
        version: Of Python; this one's by default.
    """
    version = version or platform.python_version()
    if package is None:
        return Finding(
            "python", "warning", f"{version}; {PACKAGE} is not installed, so nothing tells which", _REINSTALL
        )
    if not SpecifierSet(package.python).contains(version, prereleases=True):
        remedy = f"make an environment with Python {package.python}, and install {PACKAGE} there"
        return Finding("python", "failed", f"{version}, but {PACKAGE} needs {package.python}", remedy)
    return Finding("python", "ok", f"{version} ({package.python} is supported)")


def check_packages(package: Declared | None, versions: Mapping[str, str | None] | None = None) -> Finding:
    """Whether all packages that are always needed are there, in versions that fit.

    Args:
        package: What is declared.
        versions: By name, instead of what is installed.
    """
    if package is None:
        return Finding("packages", "warning", f"{PACKAGE} is not installed, so nothing tells what it needs", _REINSTALL)
    wrong = misfits(package.requirements, versions)
    if wrong:
        return Finding("packages", "failed", "; ".join(wrong), _install(package.requirements, wrong))
    own = installed(PACKAGE)
    return Finding(
        "packages", "ok", f"{PACKAGE} {own} and its {len(package.requirements)} packages, in versions that fit"
    )


def check_extra(extra: str, package: Declared | None, versions: Mapping[str, str | None] | None = None) -> Finding:
    """Whether the packages of an extra are there; what is missing is only a warning, as others may not need it."""
    needs = package.extras[extra] if package is not None else ()
    if not needs:
        return Finding(f"[{extra}]", "skipped", f"{PACKAGE} does not say what it needs for it")
    wrong = misfits(needs, versions)
    if wrong:
        found = f"{'; '.join(wrong)}: needed for {DISABLED[extra]}"
        return Finding(f"[{extra}]", "warning", found, f'`pip install "{PACKAGE}[{extra}]"` if you need that')
    main = needs[0].name
    return Finding(f"[{extra}]", "ok", f"{main} {(versions or {}).get(main) or installed(main)}: {DISABLED[extra]}")


def misfits(needs: tuple[Requirement, ...], versions: Mapping[str, str | None] | None = None) -> list[str]:
    """Requirements that are not met, each with what is there instead."""
    found = []
    for need in needs:
        version = versions[need.name] if versions is not None and need.name in versions else installed(need.name)
        if version is None:
            found.append(f"{need.name} is missing")
        elif not need.specifier.contains(Version(version), prereleases=True):
            found.append(f"{need.name} is {version}, not {need.specifier}")
    return found


def _install(needs: tuple[Requirement, ...], wrong: list[str]) -> str:
    names = {text.split()[0] for text in wrong}
    listed = " ".join(f"'{need.name}{need.specifier}'" for need in needs if need.name in names)
    return f"`pip install {listed}`"
