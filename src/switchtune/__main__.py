"""`python -m switchtune`."""

from switchtune.cli.main import main

if __name__ == "__main__":
    main()
