"""Review: decision files, simulated experts, adjudication, the outcome of an iteration."""
