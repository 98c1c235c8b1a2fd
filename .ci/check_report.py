"""Fail unless every test of some JUnit reports ran, those in the browser included."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def main(*reports: str) -> str | None:
    """Print the counts; return what is wrong, if anything is."""
    trees = [ElementTree.parse(Path(report)) for report in reports]
    cases = [case for tree in trees for case in tree.iter("testcase")]
    skipped = [case for case in cases if case.find("skipped") is not None]
    for case in skipped:
        print(f"skipped: {case.get('name')}: {case.find('skipped').get('message')}")
    # The kernel, or the container, may forbid what these need; they print the reason.
    skipped = [case for case in skipped if "test_partitions" not in case.get("classname", "")]
    browser = [case for case in cases if "browser" in case.get("classname", "").split(".")]
    print(f"{len(cases)} tests, {len(browser)} of them in tests/browser, {len(skipped)} skipped")
    if skipped:
        names = ", ".join(f"{case.get('classname')}.{case.get('name')}" for case in skipped)
        return f"Nothing may be skipped here: {names}"
    if not browser:
        return "The tests in the browser did not run."
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
