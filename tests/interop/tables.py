"""Tables of calls in DuckDB against a count over the recording itself: python tables.py RECORDING PARQUET JSONL

The count here knows nothing of qix-proxy: a call is a message of a client with a method, its answer the next message of the engine
on that connection with its id and a result or an error. The 95th percentile is quantile_disc: the smallest latency that at least
95 % of the answered calls do not exceed.
"""

import json
import math
import sys
from collections import defaultdict
from fractions import Fraction

import duckdb

PERCENTILE = Fraction(95, 100)

QUERY = """
    select method, count(*), count(*) filter (outcome = 'error'), count(*) filter (outcome = 'unanswered'),
        quantile_disc(latency_us, 0.95)
    from {} group by method order by method
"""

TYPES = {
    "connection": "BIGINT",
    "added": "BOOLEAN",
    "request_id": "VARCHAR",
    "time": "TIMESTAMP WITH TIME ZONE",
    "latency_us": "BIGINT",
    "handle": "INTEGER",
    "method": "VARCHAR",
    "params": "JSON",
    "error_code": "INTEGER",
    "answer_bytes": "BIGINT",
}


def counted(recording):
    """Returns calls, errors, unanswered calls and the percentile of latencies by method."""
    waiting, calls, errors, latencies = defaultdict(list), defaultdict(int), defaultdict(int), defaultdict(list)
    with open(recording, encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry.get("kind") != "frame":
                continue
            message = entry["json"] if "json" in entry else parsed(entry.get("text", ""))
            if not isinstance(message, dict):
                continue
            key = entry["conn"], json.dumps(message.get("id"))
            if entry["from"] == "client" and "method" in message:
                calls[message["method"]] += 1
                waiting[key].append((message["method"], entry["t"]))
            elif entry["from"] == "engine" and ("result" in message or "error" in message) and waiting[key]:
                method, asked = waiting[key].pop(0)
                latencies[method].append(entry["t"] - asked)
                errors[method] += "error" in message
    return [
        (method, calls[method], errors[method], calls[method] - len(latencies[method]), percentile(latencies[method]))
        for method in sorted(calls)
    ]


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def percentile(values):
    return sorted(values)[max(1, math.ceil(PERCENTILE * len(values))) - 1] if values else None


def main(recording, parquet, jsonl):
    expected = counted(recording)
    types = dict(row[:2] for row in duckdb.sql(f"describe select * from '{parquet}'").fetchall())
    wrong = {name: types.get(name) for name, wanted in TYPES.items() if types.get(name) != wanted}
    if wrong:
        sys.exit(f"columns have other types than they should: {wrong}")
    for name, table in [("Parquet", f"'{parquet}'"), ("JSON Lines", f"read_ndjson('{jsonl}', sample_size = -1)")]:
        found = duckdb.sql(QUERY.format(table)).fetchall()
        if found != expected:
            differ = sorted(set(map(str, found)) ^ set(map(str, expected)))
            sys.exit(f"{name} differs from the recording:\n" + "\n".join(differ))
    for row in sorted(expected, key=lambda row: -row[1])[:5]:
        print("{:<24} {:>5} calls {:>3} errors {:>3} unanswered, 95 % within {} µs".format(*row))
    calls, failed, silent = (sum(row[at] for row in expected) for at in (1, 2, 3))
    print(f"{len(expected)} methods, {calls} calls, {failed} errors, {silent} unanswered: equal in DuckDB {duckdb.__version__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
