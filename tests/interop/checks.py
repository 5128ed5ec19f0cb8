"""What the checks of the Python clients share: the report, in the form that harness.mjs gives it."""

import argparse
import json
import socket
import sys
import traceback


def main(checks, context):
    """Runs the checks one after the other, each in a context of its own, and ends the program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base", metavar="ws://HOST:PORT")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", default="", metavar="PART")
    args = parser.parse_args()
    # Nothing is waited for longer, or something hangs.
    socket.setdefaulttimeout(20)
    values, failed = {}, 0
    for number, check in enumerate(checks, 1):
        title = check.__name__.replace("_", " ")
        if args.only not in title:
            continue
        try:
            with context(args.base.rstrip("/"), f"check-{number:02}") as client:
                values[title] = json.loads(json.dumps(check(client)))
            print(f"ok {number:02} {title}")
        except Exception:
            failed += 1
            print(f"not ok {number:02} {title}")
            print("    " + traceback.format_exc().rstrip().replace("\n", "\n    "))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=1)
    print(f"checks: {len(values)} passed, {failed} failed")
    sys.exit(0 if values and not failed else 1)


def states(layout):
    """Writes the values of a list object with their states."""
    rows = layout["qListObject"]["qDataPages"][0]["qMatrix"]
    return [f"{cell['qText']}:{cell['qState']}" for [cell] in rows]


def texts(pages):
    """Writes the texts of hypercube pages, row by row."""
    return [[cell["qText"] for cell in row] for page in pages for row in page["qMatrix"]]
