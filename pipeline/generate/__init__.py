"""`dawn generate`: one video, or a resumable run of many."""
