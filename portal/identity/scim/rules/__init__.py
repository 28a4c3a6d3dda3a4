"""What SCIM 2.0 says, as values: schemas, filters, paths, patches. A resource is the JSON object it travels as."""
