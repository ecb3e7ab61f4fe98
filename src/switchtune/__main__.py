"""`python -m switchtune`."""

from switchtune.cli import main

if __name__ == "__main__":
    main()
