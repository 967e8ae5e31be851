"""The views of the Generations tab: table, one model, what changed, a pasted configuration."""
