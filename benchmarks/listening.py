"""Which sockets a command and its processes listen on while it runs.

    python benchmarks/listening.py -- switchtune train mine.yaml --out runs/mine --processes 2
    python benchmarks/listening.py --seconds 20 -- switchtune demo runs/mine/de-en/csr/seed1/task/model

Prints each address once, with the process that listens there, and exits with 1 where one is not of this machine alone.
"""

import argparse
import ipaddress
import subprocess
import sys
import time
from contextlib import suppress

import psutil


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="+")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end the command after so long")
    options = parser.parse_args()
    seen: set[tuple[int, str, int]] = set()
    command = subprocess.Popen(options.command)
    end = time.monotonic() + options.seconds
    while command.poll() is None and time.monotonic() < end:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(command.pid)
            for process in (parent, *parent.children(recursive=True)):
                for each in process.net_connections():
                    found = (process.pid, each.laddr.ip, each.laddr.port) if each.status == "LISTEN" else None
                    if found is not None and found not in seen:
                        seen.add(found)
                        print(f"process {found[0]} listens on {found[1]} port {found[2]}", flush=True)
        time.sleep(0.05)
    command.terminate()
    command.wait()
    sys.exit(any(not ipaddress.ip_address(address).is_loopback for _, address, _ in seen))


if __name__ == "__main__":
    main()
