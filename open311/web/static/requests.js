// The map of what was reported: clusters where there are many, a pin for each one alone.
"use strict";

(async () => {
  const element = document.getElementById("map");
  if (!element || !window.L) return;
  const { ready, say, count, fetched } = window.open311;
  const _ = (text) => text;
  const ROOM_PIXELS = 8;
  const EDGE_PIXELS = 40;
  const MARGIN_DEGREES = 0.0001;
  const ngettext = (one, many) => [one, many];
  await ready;
  const map = window.open311.map(element);
  const facts = element.dataset;
  const says = document.getElementById("map-says");
  const pins = L.layerGroup().addTo(map);
  // A circle is as wide as its number at least, however large the letters are.
  const brush = document.createElement("canvas").getContext("2d");
  const { fontFamily, fontSize } = getComputedStyle(element);
  brush.font = `700 ${fontSize} ${fontFamily}`;
  const digitPixels = brush.measureText("0").width;
  const sizeOf = (total) => {
    if (total === 1) return 28;
    const digits = String(total).length;
    const commas = Math.floor((digits - 1) / 3);
    return Math.max(Math.min(60, 30 + 8 * Math.log10(total)), (digits + commas / 2) * digitPixels + 14);
  };
  const track = (number) => facts.track.replace("NUMBER", encodeURIComponent(number));

  const corners = ({ west, south, east, north }) => [[south, west], [north, east]];
  const pin = (text, kind, size) => L.divIcon({
    className: `map-pin ${kind}`, iconSize: [size, size],
    html: Object.assign(document.createElement("span"), { textContent: text }),
  });

  // Circles need room to be pressed: those that would lie on one another are one.
  function merged(found) {
    const apart = [];
    for (const each of [...found].sort((one, other) => other.total - one.total)) {
      const at = map.latLngToLayerPoint([each.lat, each.long]);
      const near = apart.find((other) => {
        const room = (sizeOf(other.total) + sizeOf(each.total)) / 2 + ROOM_PIXELS;
        return Math.abs(other.at.x - at.x) < room && Math.abs(other.at.y - at.y) < room;
      });
      if (!near) {
        apart.push({ ...each, at });
        continue;
      }
      near.total += each.total;
      near.open += each.open;
      near.box = {
        west: Math.min(near.box.west, each.box.west), south: Math.min(near.box.south, each.box.south),
        east: Math.max(near.box.east, each.box.east), north: Math.max(near.box.north, each.box.north),
      };
    }
    return apart;
  }

  function show(found) {
    // Whoever opened a circle by keyboard stays on the map.
    const isWithin = element.contains(document.activeElement);
    pins.clearLayers();
    for (const each of merged(found)) put(each);
    if (isWithin && !element.contains(document.activeElement)) element.focus();
  }

  // A cluster that cannot be taken apart by going nearer is told as a list.
  function enter(box) {
    const bounds = L.latLngBounds(corners(box));
    const nearest = Math.min(map.getBoundsZoom(bounds, false, L.point(2 * EDGE_PIXELS, 2 * EDGE_PIXELS)), map.getMaxZoom());
    if (nearest > map.getZoom()) {
      map.setView(bounds.getCenter(), Math.min(nearest, map.getZoom() + 4));
    } else if (map.getBoundsZoom(bounds) > map.getZoom() && map.getZoom() < map.getMaxZoom()) {
      map.setView(bounds.getCenter(), map.getZoom() + 1);
    } else {
      list(bounds.pad(0.05), MARGIN_DEGREES);
    }
  }

  function put({ lat, long, number, total, open, box, name }) {
    const isOne = total === 1;
    const size = sizeOf(total);
    const states = isOne
      ? say(open ? _("open") : _("closed"))
      : say(_("%(open)s of them open"), { open: window.open311.number(open) });
    const here = count(...ngettext("%(num)s report here", "%(num)s reports here"), total);
    const title = `${isOne && name ? `${name}, ${number}` : here}, ${states}`;
    const marker = L.marker([lat, long], {
      icon: pin(isOne ? "" : window.open311.number(total), open ? "open" : "closed", size), title, alt: title,
    }).addTo(pins);
    marker.on("click keypress", (event) => {
      if (event.type === "keypress" && event.originalEvent.key !== "Enter") return;
      if (isOne) location.href = track(number);
      else enter(box);
    });
  }

  // The list of what lies in a part of the map.
  function list(bounds, margin = 0) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of [...query]) if (!value || name === "page") query.delete(name);
    const edges = [bounds.getWest() - margin, bounds.getSouth() - margin, bounds.getEast() + margin, bounds.getNorth() + margin];
    query.set("bbox", edges.map((edge) => edge.toFixed(5)).join(","));
    location.search = query.toString();
  }

  // The part of the map that is seen, of the part that is listed.
  const part = (new URLSearchParams(location.search).get("bbox") ?? "").split(",").map(Number);
  function seen() {
    const bounds = map.getBounds();
    if (part.length !== 4 || !part.every(Number.isFinite)) return bounds;
    const [west, south] = [Math.max(part[0], bounds.getWest()), Math.max(part[1], bounds.getSouth())];
    const [east, north] = [Math.min(part[2], bounds.getEast()), Math.min(part[3], bounds.getNorth())];
    return west <= east && south <= north ? L.latLngBounds([south, west], [north, east]) : null;
  }

  let asking = 0;
  // At first all of them are shown, unless the address says which part.
  let isFirst = !new URLSearchParams(location.search).get("bbox");
  async function drawClusters() {
    const mine = ++asking;
    const bounds = seen();
    const query = new URLSearchParams(location.search);
    for (const name of ["page", "bbox", "lang", "q"]) query.delete(name);
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    query.set("jurisdiction_id", facts.city);
    if (bounds) query.set("bbox", [
      Math.max(-180, bounds.getWest()), Math.max(-85, bounds.getSouth()), Math.min(180, bounds.getEast()), Math.min(85, bounds.getNorth()),
    ].map((edge) => edge.toFixed(6)).join(","));
    // Of cells twice as wide, so that circles have room.
    query.set("zoom", Math.max(0, Math.round(map.getZoom()) - 1));
    try {
      const clusters = bounds ? await fetched(`${facts.base}/clusters.json?${query}`) : [];
      if (mine !== asking) return;
      if (isFirst && clusters.length) {
        isFirst = false;
        map.fitBounds(L.latLngBounds(clusters.flatMap(({ bbox }) => corners(bbox))), { maxZoom: 16, ...window.open311.withinEdges });
        return;
      }
      show(clusters.map((each) => ({ ...each, total: each.count, box: each.bbox, number: each.service_request_id })));
      const total = clusters.reduce((sum, each) => sum + each.count, 0);
      says.textContent = count(...ngettext(
        "The map shows %(num)s report. What has no place is in the list alone.", "The map shows %(num)s reports. What has no place is in the list alone.",
      ), total);
    } catch {
      says.textContent = say(_("The map cannot be filled just now; the list below is complete."));
    }
  }

  function drawList() {
    show([...document.querySelectorAll("tr[data-lat]")].map(({ dataset }) => {
      const [lat, long] = [Number(dataset.lat), Number(dataset.long)];
      const box = { west: long, south: lat, east: long, north: lat };
      return { lat, long, box, total: 1, open: dataset.status === "open" ? 1 : 0, number: dataset.number, name: dataset.name };
    }));
    says.textContent = say(_("The map shows this page of the list."));
  }

  if (facts.clustered === "yes") {
    map.on("moveend", drawClusters);
    drawClusters();
  } else {
    map.on("zoomend", drawList);
    drawList();
  }

  const here = document.querySelector('[data-do="here"]');
  here.hidden = false;
  here.addEventListener("click", () => list(map.getBounds()));
})();
