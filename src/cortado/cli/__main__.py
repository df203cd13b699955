"""`python -m cortado.cli` is the command `cortado`."""

from cortado.cli import main

if __name__ == "__main__":
    main()
