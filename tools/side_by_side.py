"""unittest.main() for programs whose tests wait more than they compute: divided among several processes at once.

Each test has to stand by itself: with names, folders and processes of its own. What is of a class (a market that
its tests share) is made in every process that has tests of the class.
"""
import subprocess
import sys
import threading
import unittest


def names_of(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from names_of(each)
        else:
            yield each.id().split(".", 1)[1]  # without the module


def parts_of(names, processes):
    """There and back again, so that the long tests of one class, or of neighbouring names, are spread."""
    parts = [[] for _ in range(processes)]
    for at, name in enumerate(names):
        lap, place = divmod(at, processes)
        parts[place if lap % 2 == 0 else processes - 1 - place].append(name)
    return [part for part in parts if part]


def main(processes):
    """Never returns. Who names tests has them run in this process alone."""
    names = [] if sys.argv[1:] else list(names_of(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])))
    if processes < 2 or len(names) < 2:
        unittest.main(verbosity=2, warnings="ignore")
    children = [subprocess.Popen([sys.executable, "-B", sys.argv[0], *part], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
                for part in parts_of(names, processes)]
    printing = threading.Lock()

    def print_lines(child):
        for line in child.stdout:
            with printing:
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()

    threads = [threading.Thread(target=print_lines, args=(child,)) for child in children]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(1 if any([child.wait() for child in children]) else 0)
