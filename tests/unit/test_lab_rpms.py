"""Made RPMs and their errata, and the images they are built in: what is written is what was asked for."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from lab import image
from lab.rpms import Notice, Rpm, stream, updateinfo

DB = Rpm("lab-db", "1.1", epoch="1", architecture="x86_64", requires=("lab-library",))


def test_a_package_is_called_as_dnf_calls_it() -> None:
    assert (DB.evr, DB.nevra, DB.file_name) == ("1:1.1-1", "lab-db-1:1.1-1.x86_64", "lab-db-1.1-1.x86_64.rpm")
    assert (Rpm("lab-web", "1.0").evr, Rpm("lab-web", "1.0").nevra) == ("1.0-1", "lab-web-0:1.0-1.noarch")


def test_a_specification_has_what_the_package_is_to_have() -> None:
    lines = DB.spec().splitlines()

    assert {"Name: lab-db", "Version: 1.1", "Epoch: 1", "Requires: lab-library"} <= set(lines)
    assert "BuildArch: noarch" not in lines
    assert "BuildArch: noarch" in Rpm("lab-web", "1.0").spec().splitlines()
    assert "%post -p <lua>" in replace(DB, fails="post").spec().splitlines()


def test_an_advisory_names_its_packages_and_leaves_out_what_it_does_not_say() -> None:
    rated = Notice("LAB-1", "security", "Critical", (DB,), ("CVE-2026-1",), reboot=True)
    unrated = Notice("LAB-2", "enhancement", "", (Rpm("lab-web", "1.1"),))

    first, second = ElementTree.fromstring(updateinfo([rated, unrated]))  # noqa: S314 - written by ourselves

    package = first.find(".//package")
    assert package is not None
    assert (package.get("name"), package.get("epoch"), package.get("arch")) == ("lab-db", "1", "x86_64")
    assert (first.findtext("severity"), package.findtext("reboot_suggested")) == ("Critical", "True")
    assert [one.get("id") for one in first.iter("reference")] == ["CVE-2026-1"]
    assert (second.get("type"), second.find("severity"), second.find(".//reboot_suggested")) == (
        "enhancement",
        None,
        None,
    )


def test_a_module_stream_lists_its_packages_and_may_be_the_default() -> None:
    plain, default = stream("runtime", "1", [DB]), stream("runtime", "1", [DB], default=True)

    assert "      - lab-db-1:1.1-1.x86_64\n" in plain
    assert "modulemd-defaults" in default
    assert "modulemd-defaults" not in plain


def test_an_image_without_more_packages_keeps_its_name_and_one_with_them_has_another() -> None:
    plain = image.Recipe("debian12", "bookworm", "Debian 12")
    more = replace(plain, also=("dnf",))

    # The name that it had before there was a field for more packages.
    assert image.DEBIAN_12.tag == plain.tag != more.tag
    assert "dnf" in next(word for word in more.command if word.startswith("--include=")).split(",")
