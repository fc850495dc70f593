"""Scripts that a Windows runs once, when it starts for the first time after its adaptation."""
