"""Column types: PostGIS inside, shapely outside."""

from typing import Any

from geoalchemy2 import Geometry
from geoalchemy2.shape import from_shape, to_shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Dialect
from sqlalchemy.types import TypeDecorator

WGS84 = 4326


class ShapelyGeometry(TypeDecorator[BaseGeometry]):
    """A geometry column in WGS84 whose values are shapely geometries.

    The GiST index is declared with the table, where it can be read, and not made by the type.
    """

    impl = Geometry
    cache_ok = True

    def __init__(self, geometry_type: str) -> None:
        self.geometry_type = geometry_type
        super().__init__(geometry_type=geometry_type, srid=WGS84, spatial_index=False)

    def process_bind_param(self, value: BaseGeometry | None, dialect: Dialect) -> Any:
        """Shapely to what GeoAlchemy2 writes."""
        return None if value is None else from_shape(value, srid=WGS84)

    def process_result_value(self, value: Any, dialect: Dialect) -> BaseGeometry | None:
        """What GeoAlchemy2 read, to shapely."""
        return None if value is None else to_shape(value)
