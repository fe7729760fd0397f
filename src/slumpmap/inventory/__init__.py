"""From confirmed slumps to the inventory: attributes, comparison with the truth, cost of the campaign."""
