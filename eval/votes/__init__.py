"""What people see: blind votes, the strengths they speak of, which metric follows them."""
