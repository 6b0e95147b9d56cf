"""Identity and access of the local cloud: service accounts, custom roles, policies, and who may do what."""
