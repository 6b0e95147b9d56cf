"""gRPC: each call is answered as the REST request it stands for. Nothing here is imported before the first call."""
