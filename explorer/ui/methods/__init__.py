"""The views of the Methods tab: browse, one method, abilities, the survey's five side by side."""
