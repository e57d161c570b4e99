"""Runs the tests of a file in processes of their own, some at a time. For tests that have a folder, ports and processes each for themselves
and wait most of their time. With arguments it is unittest.main()."""

import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor


def names(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from names(each)
        else:
            yield ".".join(each.id().split(".")[1:])


def run_one(name):
    done = subprocess.run([sys.executable, sys.argv[0], name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def main(workers):
    if len(sys.argv) > 1:
        unittest.main(verbosity=2)
    tests = list(names(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])))
    failed = 0 if tests else 1
    with ThreadPoolExecutor(workers) as pool:
        for status, text in pool.map(run_one, tests):
            print(text, end="", flush=True)
            failed += status != 0
    print(f"{len(tests)} tests in processes of their own, {failed} failed")
    sys.exit(1 if failed else 0)
