"""Change a package's descriptor and files; one file per subject, plain functions on the tree.

An edit touches the element it is about and nothing else: comments, order, vendors' XML and other
configurations stay. ``apply.apply_edits`` carries out a whole ``Edits``, which is data.
"""
