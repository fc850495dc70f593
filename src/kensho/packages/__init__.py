"""What is done to an OVF package as a whole, without converting the machine in it.

Validate and mend, verify and sign, encrypt, edit, compare, split and merge, pack, and settle what
is asked at deployment. Everything starts from `OvfPackage`: the descriptor as XML, so that what
kensho does not understand stays untouched, and the files beside it, opened in place.
"""
