"""What this process may take of the machine: cores, memory, scratch files, signals, devices."""
