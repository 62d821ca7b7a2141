"""Jobs on Ray and the command line `dawn`."""
