"""Smallville with departments that work by plans, targets and ladders, and a person for each role."""

from pathlib import Path

from tests.small_city import SmallCity

CALENDARS = """\
- {code: office, name: the office, hours: {mon-fri: ['08:00-16:00']}, department: WORKS}
- {code: always, name: day and night, hours: {mon-sun: ['00:00-24:00']}}
"""
TARGETS = """\
- {service_code: tree, hours: 48}
- {group: Streets, working_days: 3, calendar: office}
"""
PLANS = """\
- service_code: tree
  phases:
    - {code: traffic, name: Redirect the traffic, department: WORKS, target: {hours: 2}}
    - {code: haul, name: Haul the wood, after: [traffic], target: {working_hours: 16, calendar: always}}
"""
LADDERS = """\
- code: tree
  service_code: tree
  steps:
    - {used: 0.5, priority: high, alert: supervisor}
    - {used: 1, priority: urgent, alert: administrator}
    - {words: [power line, wires], priority: urgent, alert: supervisor}
- code: works
  for_department: WORKS
  department: WORKS
  steps:
    - {used: 0.8, alert: supervisor}
    - {attribute: DEPTH, value: deep, priority: high}
"""
CLOSING_REASONS = """\
- {code: filled, name: The hole is filled, status: fixed, department: WORKS}
- {code: not-there, name: There is no hole, status: no_further_action, department: WORKS}
"""
TEXTS = """\
- {status: fixed, text: The work is done.}
- {status: fixed, service_code: pothole, text: The hole is filled.}
- {status: fixed, service_code: pothole, language: es, text: El bache está reparado.}
- {status: no_further_action, reason: not-there, text: We found no hole there., department: WORKS}
"""
ARTICLES = """\
- code: depth
  title: How deep a hole must be
  service_code: pothole
  keywords: [deep, inch]
  text: We fill holes of two inches and more.
  department: WORKS
- {code: depth, title: Cómo de hondo, service_code: pothole, language: es, text: Desde dos pulgadas., department: WORKS}
- {code: roads, title: Whose road it is, group: Streets, private: true, text: Look at the map of roads.}
- {code: hours, title: When the town hall is open, keywords: [open], text: From eight to four.}
"""


def treeville(path: Path) -> SmallCity:
    """The folder."""
    folder = SmallCity(path)
    folder.write("calendars.yml", CALENDARS)
    folder.write("targets.yml", TARGETS)
    folder.write("plans.yml", PLANS)
    folder.write("ladders.yml", LADDERS)
    folder.write("closing_reasons.yml", CLOSING_REASONS)
    folder.write("texts.yml", TEXTS)
    folder.write("articles.yml", ARTICLES)
    return folder
