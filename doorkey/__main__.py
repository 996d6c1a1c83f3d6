"""`python -m doorkey`: the same command group as the console script `doorkey`."""

from doorkey.cli import main

if __name__ == "__main__":
    main(prog_name="doorkey")
