// The map of what was reported: clusters where there are many, a pin for each one alone.
"use strict";

(async () => {
  const element = document.getElementById("map");
  if (!element || !window.L) return;
  const { ready, say, count, fetched } = window.open311;
  const _ = (text) => text;
  const ngettext = (one, many) => [one, many];
  await ready;
  const map = window.open311.map(element);
  const facts = element.dataset;
  const says = document.getElementById("map-says");
  const pins = L.layerGroup().addTo(map);
  const track = (number) => facts.track.replace("NUMBER", encodeURIComponent(number));

  const corners = ({ west, south, east, north }) => [[south, west], [north, east]];
  const pin = (text, kind, size) => L.divIcon({
    className: `map-pin ${kind}`, iconSize: [size, size],
    html: Object.assign(document.createElement("span"), { textContent: text }),
  });

  function put({ lat, long, number, total, open, box, name }) {
    const isOne = total === 1;
    const size = isOne ? 28 : Math.min(60, 30 + 8 * Math.log10(total));
    const title = isOne && name
      ? `${name}, ${number}`
      : count(...ngettext("%(num)s report here", "%(num)s reports here"), total);
    const marker = L.marker([lat, long], {
      icon: pin(isOne ? "" : total.toLocaleString(window.open311.language), open ? "open" : "closed", size), title, alt: title,
    }).addTo(pins);
    marker.on("click keypress", (event) => {
      if (event.type === "keypress" && event.originalEvent.key !== "Enter") return;
      if (isOne) location.href = track(number);
      else if (box.west === box.east && box.south === box.north) map.setView([lat, long], Math.min(map.getZoom() + 2, 19));
      else map.fitBounds(corners(box), { maxZoom: 18, padding: [40, 40] });
    });
  }

  let asking = 0;
  // At first all of them are shown, unless the address says which part.
  let isFirst = !new URLSearchParams(location.search).get("bbox");
  async function drawClusters() {
    const mine = ++asking;
    const bounds = map.getBounds();
    const query = new URLSearchParams(location.search);
    for (const name of ["page", "bbox", "lang", "q"]) query.delete(name);
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    query.set("jurisdiction_id", facts.city);
    query.set("bbox", [
      Math.max(-180, bounds.getWest()), Math.max(-85, bounds.getSouth()), Math.min(180, bounds.getEast()), Math.min(85, bounds.getNorth()),
    ].map((edge) => edge.toFixed(6)).join(","));
    // Of cells twice as wide, so that circles have room.
    query.set("zoom", Math.max(0, Math.round(map.getZoom()) - 1));
    try {
      const clusters = await fetched(`${facts.base}/clusters.json?${query}`);
      if (mine !== asking) return;
      if (isFirst && clusters.length) {
        isFirst = false;
        map.fitBounds(L.latLngBounds(clusters.flatMap(({ bbox }) => corners(bbox))), { maxZoom: 16 });
        return;
      }
      pins.clearLayers();
      let total = 0;
      for (const each of clusters) {
        total += each.count;
        put({ lat: each.lat, long: each.long, number: each.service_request_id, total: each.count, open: each.open > 0, box: each.bbox });
      }
      says.textContent = count(...ngettext("The map shows %(num)s report.", "The map shows %(num)s reports."), total);
    } catch {
      says.textContent = say(_("The map cannot be filled just now; the list below is complete."));
    }
  }

  function drawList() {
    for (const row of document.querySelectorAll("tr[data-lat]")) {
      const { lat, long, number, status, name } = row.dataset;
      put({ lat: Number(lat), long: Number(long), number, total: 1, open: status === "open", name });
    }
    says.textContent = say(_("The map shows this page of the list."));
  }

  if (facts.clustered === "yes") {
    map.on("moveend", drawClusters);
    drawClusters();
  } else {
    drawList();
  }

  const here = document.querySelector('[data-do="here"]');
  here.hidden = false;
  here.addEventListener("click", () => {
    const bounds = map.getBounds();
    const query = new URLSearchParams(location.search);
    for (const [name, value] of [...query]) if (!value || name === "page") query.delete(name);
    query.set("bbox", [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()].map((edge) => edge.toFixed(5)).join(","));
    location.search = query.toString();
  });
})();
