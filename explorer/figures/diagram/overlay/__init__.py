"""What each method adds to the drawing of a block."""
