"""Floor 0: every formula of npppo, file by file: forward, backward, nothing else."""
