"""The BSDs: told apart, and what their kernels start from; nothing of them is changed."""
