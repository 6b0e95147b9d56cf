"""A laptop-sized Google Cloud: unmodified clients reach it through environment variables alone."""
