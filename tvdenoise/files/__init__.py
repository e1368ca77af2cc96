"""One picture file to another, and many of them: the job, its row, the plan of a folder, and who does the work."""
