// Maps of the public pages: what they lie on, how they are moved, where their pins are.
"use strict";

(() => {
  const _ = (text) => text;
  const STREETS_ZOOM = 15;
  const LABEL_METRES = 250;
  const MOST_TILES = 40;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const fetched = (address) => fetch(address).then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))));

  // The x and y of the tiles of a zoom that a part of the map lies on.
  function tilesOf(bounds, zoom) {
    const wide = 2 ** zoom;
    const x = (long) => Math.floor(((long + 180) / 360) * wide);
    const y = (lat) => {
      const sine = Math.sin((lat * Math.PI) / 180);
      return Math.floor((0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * wide);
    };
    const found = [];
    for (let column = x(bounds.getWest()); column <= x(bounds.getEast()); column += 1) {
      for (let row = y(bounds.getNorth()); row <= y(bounds.getSouth()); row += 1) found.push(`${column}/${row}`);
    }
    return found;
  }

  const label = (text, kind) => L.divIcon({
    className: `map-label ${kind}`, iconSize: [0, 0],
    html: Object.assign(document.createElement("span"), { textContent: text }),
  });

  // Outlines of districts, with their names.
  async function drawDistricts(map, facts) {
    map.createPane("ground").style.zIndex = 200;
    const drawn = await fetched(`/basemap/districts.geojson?jurisdiction_id=${encodeURIComponent(facts.city)}`);
    const names = L.layerGroup();
    L.geoJSON(drawn, {
      interactive: false, pane: "ground",
      filter: ({ properties }) => properties.is_outline,
      style: () => ({ color: color("--line"), weight: 2, fillColor: color("--page"), fillOpacity: 1 }),
    }).addTo(map);
    L.geoJSON(drawn, {
      interactive: false,
      filter: ({ properties }) => !properties.is_outline,
      style: () => ({ color: color("--line"), weight: 1, fill: false }),
      onEachFeature: ({ properties }, layer) => {
        L.marker(layer.getBounds().getCenter(), { icon: label(properties.name, "district"), interactive: false, keyboard: false })
          .addTo(names);
      },
    }).addTo(map);
    const show = () => (map.getZoom() >= 12 && map.getZoom() < STREETS_ZOOM ? names.addTo(map) : names.remove());
    map.on("zoomend", show);
    show();
  }

  // Streets, where the map is near enough; each tile of them is fetched once.
  function drawStreets(map, facts) {
    const lines = L.layerGroup();
    const names = L.layerGroup();
    const asked = new Set();
    const labelled = [];
    const canvas = L.canvas();
    async function show() {
      if (map.getZoom() < STREETS_ZOOM) {
        lines.remove();
        names.remove();
        return;
      }
      lines.addTo(map);
      if (map.getZoom() > STREETS_ZOOM) names.addTo(map);
      else names.remove();
      const wanted = tilesOf(map.getBounds(), STREETS_ZOOM).filter((tile) => !asked.has(tile)).slice(0, MOST_TILES);
      for (const tile of wanted) asked.add(tile);
      await Promise.all(wanted.map(async (tile) => {
        const address = `/basemap/streets/${tile}.geojson?jurisdiction_id=${encodeURIComponent(facts.city)}`;
        const drawn = await fetched(address).catch((error) => {
          asked.delete(tile);
          throw error;
        });
        L.geoJSON(drawn, {
          interactive: false, renderer: canvas,
          style: () => ({ color: color("--line"), weight: 3, opacity: 0.5 }),
        }).addTo(lines);
        for (const { geometry, properties } of drawn.features) {
          const longest = geometry.coordinates.reduce((one, other) => (other.length > one.length ? other : one));
          const [long, lat] = longest[Math.floor(longest.length / 2)];
          const at = L.latLng(lat, long);
          if (labelled.some((each) => each.name === properties.name && each.at.distanceTo(at) < LABEL_METRES)) continue;
          labelled.push({ name: properties.name, at });
          L.marker(at, { icon: label(properties.name, "street"), interactive: false, keyboard: false }).addTo(names);
        }
      })).catch(() => {});
    }
    map.on("moveend", show);
    show();
  }

  function lieOn(map, facts) {
    const credit = { attribution: facts.attribution, maxZoom: 20 };
    if (facts.kind === "tiles") return L.tileLayer(facts.tiles, credit).addTo(map);
    if (facts.kind === "pictures") return pmtiles.leafletRasterLayer(new pmtiles.PMTiles(facts.tiles), credit).addTo(map);
    if (facts.kind === "vectors") {
      const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
      return protomapsL.leafletLayer({
        url: facts.tiles, flavor: isDark ? "dark" : "light", lang: window.open311.language, ...credit,
      }).addTo(map);
    }
    drawStreets(map, facts);
    return drawDistricts(map, facts).catch(() => {});
  }

  // No pin is cut by an edge.
  const withinEdges = { padding: [32, 32] };

  // A map in the element, of the box west,south,east,north that it names.
  window.open311.map = (element) => {
    const facts = element.dataset;
    const { say } = window.open311;
    element.hidden = false;
    const map = L.map(element, {
      zoomControl: false, minZoom: 9, maxZoom: 19, attributionControl: Boolean(facts.attribution),
      fadeAnimation: false, zoomAnimation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    });
    // Beside the map, where they cover no pin.
    const buttons = Object.assign(document.createElement("div"), { className: "buttons tight no-print" });
    for (const [sign, title, by] of [["+", say(_("Nearer")), 1], ["\u2212", say(_("Further")), -1]]) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "second", textContent: sign, title });
      button.setAttribute("aria-label", title);
      button.dataset.zoom = by;
      button.addEventListener("click", () => map.setZoom(map.getZoom() + by));
      buttons.append(button);
    }
    element.after(buttons);
    if (facts.attribution) map.attributionControl.setPrefix(false);
    const [city, view] = [facts.box, facts.view || ""].map((text) => {
      const [west, south, east, north] = text.split(",").map(Number);
      return [west, south, east, north].every(Number.isFinite) ? L.latLngBounds([south, west], [north, east]) : null;
    });
    // What is wider than the city is shown as the city.
    map.fitBounds(view && !view.contains(city) ? view : city, withinEdges);
    lieOn(map, facts);
    return map;
  };
  window.open311.fetched = fetched;
  window.open311.withinEdges = withinEdges;
})();
