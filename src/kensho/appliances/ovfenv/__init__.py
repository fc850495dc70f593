"""What a deployed machine is told: its OVF environment, in every form that some guest reads.

All renderers are pure: same environment, same bytes. `environment_of` says what is in it.
"""
