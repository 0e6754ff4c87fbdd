"""One line for each check, and the line that scripts/test counts."""

import contextlib
import sys
import traceback

passed, failed = 0, 0


@contextlib.contextmanager
def check(name):
    """Counts what its block does as one check."""
    global passed, failed
    try:
        yield
    except Exception:
        failed += 1
        print(f"FAIL: {name}")
        traceback.print_exc(file=sys.stdout)
    else:
        passed += 1
        print(f"ok: {name}", flush=True)


def finish():
    """Tells the counts and ends the program."""
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)
