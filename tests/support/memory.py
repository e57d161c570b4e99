"""What is in the memory of a process: everything that a core dump of it would hold, and what lies in files that it maps."""

import re


def regions(pid):
    """(first byte, end, what it is) of all memory that can be read."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r\S* \S+ \S+ \S+\s*(.*)$", line)
            if found and not found.group(3).startswith("[v"):
                yield int(found.group(1), 16), int(found.group(2), 16), found.group(3) or "anonymous"


def search(pid, needles):
    """Where those of `needles` ({name: text}) are that are somewhere in the memory of the process: {name: [place]}."""
    places = {}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, what in regions(pid):
            try:
                memory.seek(begin)
                data = memory.read(end - begin)
            except (OSError, OverflowError, ValueError):
                continue  # gone since, or memory of a device
            for name, text in needles.items():
                at = data.find(text.encode())
                while at >= 0:
                    places.setdefault(name, []).append(f"{what} {begin:x}-{end:x} at {at:x}")
                    at = data.find(text.encode(), at + 1)
    return places
