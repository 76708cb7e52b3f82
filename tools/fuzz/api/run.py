"""Fuzzes a gateway of its own against the /openapi.json that it serves, once as an operator and once as
a shopper, and prints what was asked and what was found. Fails when anything was. See scripts/fuzz-api."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
KEY = "the operator's key for api fuzzing"
# Sales that the operator's run may change, pause and fill as it likes; the last one it may close.
SALES = 6


def call(method, url, body=None, bearer=KEY):
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read().decode()
    return json.loads(text) if text else None


def until(what, ask, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        time.sleep(0.1)
    sys.exit(f"fuzz-api: {what}, but not in {seconds} seconds")


def start(program, folder):
    """A gateway with stores of its own and no limits for an address: its process and its address."""
    log = open(folder / "gateway.log", "w+")
    command = [program, "dev", "--quiet", f"--dir={folder}/stores", "--listen=127.0.0.1:0"]
    gateway = subprocess.Popen([*command, f"--admin-key={KEY}"], stdout=log, stderr=log)

    def address():
        if gateway.poll() is not None:
            sys.exit(f"fuzz-api: the gateway ended: {(folder / 'gateway.log').read_text()}")
        return re.search(r"The API +(http://\S+)/docs", (folder / "gateway.log").read_text())

    return gateway, until("the gateway is ready", address).group(1)


def sale(base, name, more):
    """An open sale with units; tickets are admitted as soon as they join."""
    admin = f"{base}/api/v1/admin/sales"
    body = {"slug": name, "name": name, "checkout": "builtin", "admit_interval_ms": 10, **more}
    made = call("POST", admin, body)
    call("POST", f"{admin}/{made['id']}/tokens", {"count": 50})
    call("POST", f"{admin}/{made['id']}/open")
    return made["id"]


def join(base, sale):
    return call("POST", f"{base}/api/v1/sales/{sale}/tickets", bearer="")


def hold_of(base, ticket):
    place = f"{base}/api/v1/sales/{ticket['sale']}/tickets/{ticket['ticket']}"
    ask = lambda: call("GET", place, bearer=ticket["credential"]).get("hold")
    return until("a ticket is admitted", ask)["id"]


def callers(base):
    """Who calls: a name, a bearer token, the ids to ask for most of the time, and calls to leave out."""
    first = sale(base, "fuzz-first", {"max_in_checkout": 1})
    line = [join(base, first) for _ in range(10)]
    sales = [first] + [sale(base, f"fuzz-{n}", {}) for n in range(SALES)]
    holds = [hold_of(base, join(base, sale)) for sale in sales[1:] for _ in range(3)]
    yield "operator", KEY, sales, [ticket["ticket"] for ticket in line], holds, None
    own = sale(base, "fuzz-own", {"max_in_checkout": 1})
    admitted = join(base, own)
    hold = hold_of(base, admitted)
    waiting, leaving = join(base, own), join(base, own)
    # Who leaves has nothing to ask for afterwards, so it is another ticket that leaves.
    for name, ticket, without in [
        ("waiting", waiting, "depart"),
        ("leaving", leaving, None),
        ("admitted", admitted, None),
    ]:
        yield name, ticket["credential"], [own], [ticket["ticket"]], [hold], without


def fuzz(base, folder, examples, caller):
    """Lets one caller ask everything; gives schemathesis's report and how it ended."""
    name, bearer, sales, tickets, holds, without = caller
    folder = folder / name
    folder.mkdir()
    for file, ids in [
        ("sales", sales),
        ("first", sales[:1]),
        ("last", sales[-1:]),
        ("tickets", tickets),
        ("holds", holds),
    ]:
        quoted = "".join(f'"{one}"\n' for one in ids)
        (folder / f"{file}.txt").write_text(quoted)
    (folder / "schemathesis.toml").write_text((HERE / "schemathesis.toml").read_text())
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{base}/openapi.json"]
    command += ["--checks=all", f"--max-examples={examples}", "--no-color"]
    command += ["--report=json,ndjson", "--report-json-path=report.json"]
    command += ["--report-ndjson-path=events.ndjson"]
    if bearer != KEY:
        command.append("--include-tag=shopper")
    if without:
        command.append(f"--exclude-operation-id={without}")
    settings = {**os.environ, "FUZZ_BEARER": bearer, "FUZZ_HOOKS": str(HERE / "hooks.py")}
    with open(folder / "log", "w") as log:
        done = subprocess.run(
            command, cwd=folder, env=settings, stdout=log, stderr=log
        )
    return folder, done.returncode


def served(base):
    """How many requests the gateway says that it answered, by the kind of status."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    counts = Counter()
    for line in lines:
        found = re.match(r'ropeline_http_seconds_count\{.*status="(\d)\d\d".*\} (\d+)', line)
        if found:
            counts[f"{found[1]}xx"] += int(found[2])
    return counts


def checks(events):
    """How many checks were made on answers, and how many of them failed."""
    counts = Counter()

    def count(value):
        if isinstance(value, dict):
            if {"name", "status"} == value.keys():
                counts[value["status"]] += 1
            for inner in value.values():
                count(inner)
        elif isinstance(value, list):
            for inner in value:
                count(inner)

    with open(events) as lines:
        for line in lines:
            count(json.loads(line))
    return counts


def main():
    program, folder, examples = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    gateway, base = start(program, folder)
    failed = []
    try:
        print(f"{'caller':<10} {'calls':>7} {'requests':>9} {'2xx':>7} {'4xx':>7} {'5xx':>5} "
              f"{'checks':>8} {'failures':>9}")
        for caller in callers(base):
            before = served(base)
            where, status = fuzz(base, folder, examples, caller)
            if not (where / "report.json").exists():
                sys.exit((where / "log").read_text())
            report = json.loads((where / "report.json").read_text())
            asked, made = served(base) - before, checks(where / "events.ndjson")
            tested = f"{report['operations']['tested']}/{report['operations']['total']}"
            found = report["test_cases"]["unique_failures"] + len(report["errors"])
            print(f"{caller[0]:<10} {tested:>7} {asked.total():>9} {asked['2xx']:>7} "
                  f"{asked['4xx']:>7} {asked['5xx']:>5} {made.total():>8} {found:>9}", flush=True)
            if status != 0:
                failed.append(where / "log")
        log = (folder / "gateway.log").read_text()
        for line in re.findall(r".*(?:ERROR|panicked).*", log):
            print(f"the gateway's log: {line}")
            failed.append(folder / "gateway.log")
    finally:
        gateway.terminate()
        gateway.wait(timeout=60)
    for log in dict.fromkeys(failed):
        print(f"fuzz-api: see {log}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
