"""`python -m explorer.lab.recipes`: write every task's rows again."""

from explorer.lab.recipes import recipe_names, write_rows

if __name__ == "__main__":
    for name in recipe_names():
        write_rows(name)
