"""`dawn serve`: portraits and voices in, videos out while they are made, over HTTP."""
