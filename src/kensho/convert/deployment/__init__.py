"""What is settled when a package is deployed: properties, networks, licences, the environment.

It lies below ``packages`` because a conversion is a deployment: the machine that comes out runs on
a platform that asks for nothing any more.
"""
