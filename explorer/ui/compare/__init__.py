"""The parts of the Compare tab: answers and how they differ, sets of prompts, votes, adapters."""
