"""What is changed in a Linux guest so that it starts on other platforms: plans of edits."""
