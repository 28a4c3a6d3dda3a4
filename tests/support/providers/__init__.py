"""OpenID Connect providers for tests, each a real server on a port: our own, which lies on demand, and packages."""
