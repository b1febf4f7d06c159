"""The steps of the graphs, one file each: functions from state to update."""
