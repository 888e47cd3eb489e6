"""`python -m tests.golden.update`: write the golden page anew. Read its diff: that is the review of the change."""

from __future__ import annotations

from exporter import logs
from tests.golden.page import FILE, page

if __name__ == "__main__":
    logs.configure("warning", "console")
    FILE.write_text(page(), encoding="utf-8")
    print(f"{FILE.name}: {len(FILE.read_text(encoding='utf-8').splitlines())} lines")
