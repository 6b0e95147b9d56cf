"""Secret Manager of the local cloud: secrets, versions that can be disabled and destroyed, and who may read them."""
