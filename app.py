"""Start the page: `python app.py`, then open the address that it prints."""

from explorer.ui.start import start

if __name__ == "__main__":
    start()
