"""Networks that come up elsewhere: adapters keep the names that the guest's configuration gives them."""
