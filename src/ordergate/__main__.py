"""`python -m ordergate` and the script `ordergate` are the command line."""

import gc


def main() -> None:
    """Runs the command line; what is imported stays, so the garbage collector does not look through it."""
    gc.disable()
    from ordergate.cli.app import main as run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
