"""The sweep that finds each method's learning rate, so that anyone can make it again."""
