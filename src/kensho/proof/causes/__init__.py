"""Why a guest did not come up: from what it said, and from what its files tell."""
