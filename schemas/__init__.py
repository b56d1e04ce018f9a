"""How does it look?  Marshmallow in and out, JSON and XML."""
