"""`python -m ordergate` is the command line."""

from ordergate.cli.app import main

if __name__ == "__main__":
    main()
