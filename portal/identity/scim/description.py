"""What the service says of itself: RFC 7643, 5 to 7."""

from __future__ import annotations

from typing import Any

from portal.identity.scim.rules import schemas

_DOCUMENTS = {
    schemas.USER: ("User", "Users", "People of the organisation."),
    schemas.GROUP: ("Group", "Groups", "Groups of the directory, which may mean roles."),
}


def config(base: str) -> dict[str, Any]:
    """What the service can do."""
    return {
        "schemas": [schemas.CONFIG],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": schemas.PAGE},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Token",
                "description": "A token that the organisation's administrator made, as a bearer token.",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }


def resource_types(base: str) -> list[dict[str, Any]]:
    """The kinds of resources."""
    return [
        {
            "schemas": [schemas.RESOURCE_TYPE],
            "id": name,
            "name": name,
            "endpoint": f"/{place}",
            "description": says,
            "schema": schema,
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{name}"},
        }
        for schema, (name, place, says) in _DOCUMENTS.items()
    ]


def all_schemas(base: str) -> list[dict[str, Any]]:
    """The attributes of each kind."""
    return [
        {
            "schemas": [schemas.SCHEMA],
            "id": schema,
            "name": name,
            "description": says,
            "attributes": [attribute.described() for attribute in schemas.ATTRIBUTES[schema]],
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema}"},
        }
        for schema, (name, _, says) in _DOCUMENTS.items()
    ]
