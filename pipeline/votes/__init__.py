"""`dawn vote`: a page of blind pairs, what raters send back, and what it says."""
