"""Lets the example programs run a whole sale each against a gateway of their own: run.py GATEWAY FOLDER COMMAND…,
each command one argument. See scripts/clients."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

KEY = "the operator's key for generated clients"
READY_WITHIN = 60


def address(gateway, log):
    """Waits until the gateway says where it is."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        text = log.read_text()
        if gateway.poll() is not None:
            break
        if found := re.search(r"The API +(http://\S+)/docs", text):
            return found[1]
        time.sleep(0.1)
    sys.exit(f"clients: the gateway is not ready: {log.read_text()}")


def main(program, folder, *commands):
    log = Path(folder) / "gateway.log"
    command = [program, "dev", "--quiet", f"--dir={folder}/stores", "--listen=127.0.0.1:0", f"--admin-key={KEY}"]
    with open(log, "w") as out:
        gateway = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        settings = {**os.environ, "ROPELINE_URL": address(gateway, log), "ROPELINE_KEY": KEY}
        for command in commands:
            subprocess.run(shlex.split(command), env=settings, check=True, timeout=60)
    except subprocess.SubprocessError as error:
        sys.exit(f"clients: {error}")
    finally:
        gateway.terminate()
        gateway.wait(30)


main(*sys.argv[1:])
