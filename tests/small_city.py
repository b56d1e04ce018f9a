"""A small city as a folder, every file of which a test can change."""

import json
from pathlib import Path
from typing import Any

from shapely import Polygon, box
from shapely.geometry import mapping

FILES = {
    "jurisdiction.yml": """\
jurisdiction_id: small.gov
name: Smallville
timezone: America/New_York
hosts: [small.localhost]
contact: Call the town hall
key_service: Ask the town hall
default_department: HALL
outline: city
layers:
  city: {name: Smallville}
  ward: {name: Wards}
""",
    "departments.yml": """\
- code: HALL
  name: Town Hall
- code: WORKS
  name: Public Works
  units:
    - {code: works-east, name: East Yard}
- code: PARKS
  name: Parks
""",
    "services.yml": """\
- service_code: pothole
  service_name: Pothole
  description: A hole in the road
  group: Streets
  keywords: [road, hole]
  attributes:
    - code: DEPTH
      datatype: singlevaluelist
      required: true
      description: How deep is it?
      values:
        - {key: shallow, name: Shallow}
        - {key: deep, name: Deep}
- service_code: tree
  service_name: Fallen Tree
  description: A tree that lies in the way
  group: Parks
- service_code: secret
  service_name: Secret
  description: Nobody's business
  group: Parks
  private: true
  location_required: false
""",
    "rules.csv": """\
code,service_code,group,layer,boundary,department,priority,note
pothole,pothole,,,,WORKS,100,
pothole.east,pothole,,ward,E,works-east,100,by the east yard
tree,,Parks,,,PARKS,,
""",
    "mapping.yml": """\
timezone: America/New_York
columns:
  service_request_id: ID
  requested_datetime: OPENED
  closed_datetime: CLOSED
  service: TYPE
  lat: LAT
  long: LONG
  department: DEPARTMENT
  unit: QUEUE
""",
}

CITY = box(-71.2, 42.3, -71.0, 42.4)
WEST, EAST = box(-71.2, 42.3, -71.1, 42.4), box(-71.1, 42.3, -71.0, 42.4)

HEADER = "ID,OPENED,CLOSED,TYPE,LAT,LONG,DEPARTMENT,QUEUE"


class SmallCity:
    """The folder of Smallville: a west and an east ward, three services, three departments.  Past requests come last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "boundaries").mkdir(parents=True)
        for name, text in FILES.items():
            self.write(name, text)
        self.draw("city", {"S": CITY})
        self.draw("ward", {"W": WEST, "E": EAST})

    def write(self, name: str, text: str, *, encoding: str = "utf-8") -> Path:
        """A file of the folder, written anew."""
        file = self.path / name
        file.write_text(text, encoding=encoding, newline="")
        return file

    def change(self, name: str, old: str, new: str) -> None:
        """A file of the folder with a text in it replaced; the text must stand there once."""
        text = (self.path / name).read_text()
        assert text.count(old) == 1, f"{old!r} must stand once in {name}"
        self.write(name, text.replace(old, new))

    def draw(self, layer: str, areas: dict[str, Polygon], **names: str) -> None:
        """A layer's file with a boundary on each line from the second on; names by code."""
        features: list[Any] = [
            {
                "type": "Feature",
                "properties": {"code": code, "name": names.get(code, f"{layer.title()} {code}")},
                "geometry": mapping(area),
            }
            for code, area in areas.items()
        ]
        lines = ",\n".join(json.dumps(each) for each in features)
        self.write(f"boundaries/{layer}.geojson", '{"type": "FeatureCollection", "features": [\n' + lines + "\n]}\n")

    def record(self, *rows: str, header: str = HEADER) -> Path:
        """requests.csv with these lines after its header."""
        return self.write("requests.csv", "\n".join([header, *rows, ""]))
