"""What flows through the graphs: plain data, validated at the doors, no I/O."""
