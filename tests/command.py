"""The command line in a process of its own, which need not import anew what is imported here."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkProcess
from pathlib import Path

import torch

from switchtune.cli.main import main
from switchtune.training import distributed


def forked(arguments: list[str], said: Path, **environment: str) -> ForkProcess:
    """A started process with its output and messages in a file; it forks its workers, too."""

    def work() -> None:
        os.environ |= environment
        stream = said.open("w", buffering=1, encoding="utf-8")
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
        sys.argv, sys.stdout, sys.stderr = ["switchtune", *arguments], stream, stream
        distributed.START_METHOD = "fork"
        torch.set_num_threads(1)
        main()

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process
