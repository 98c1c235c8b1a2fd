"""Fail unless every test of some JUnit reports ran, those in the browser included."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

MAY_SKIP = {
    "test_partitions": "the kernel, or the container, may forbid network namespaces",
    "test_langchain_standard_tests": "LangChain's tests skip what a class does not claim to do; "
    "what it cannot do is an expected failure",
}


def may_be_skipped(case: ElementTree.Element) -> bool:
    """Whether `MAY_SKIP` has the test's module."""
    return not MAY_SKIP.keys().isdisjoint(case.get("classname", "").split("."))


def main(*reports: str) -> str | None:
    """Print the counts; return what is wrong, if anything is."""
    trees = [ElementTree.parse(Path(report)) for report in reports]
    cases = [case for tree in trees for case in tree.iter("testcase")]
    skipped = [case for case in cases if case.find("skipped") is not None]
    for case in skipped:
        print(f"skipped: {case.get('name')}: {case.find('skipped').get('message')}")
    skipped = [case for case in skipped if not may_be_skipped(case)]
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
