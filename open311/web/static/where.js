// The map on which somebody shows where it is: a pin, moved by hand, by keyboard or to where they are.
"use strict";

(async () => {
  const element = document.getElementById("map");
  if (!element || !window.L) return;
  const { ready, say, fetched } = window.open311;
  const _ = (text) => text;
  await ready;
  document.getElementById("pin").hidden = false;
  const map = window.open311.map(element);
  const facts = element.dataset;
  const [lat, long, away, says] = ["lat", "long", "pin-away", "pin-says"].map((id) => document.getElementById(id));
  const PLACED_ZOOM = 17;
  let pin = null;
  let asking = 0;

  async function tell(at) {
    const mine = ++asking;
    let text = say(_("The pin is at %(lat)s, %(long)s."), { lat: at.lat.toFixed(5), long: at.lng.toFixed(5) });
    try {
      const query = new URLSearchParams({ jurisdiction_id: facts.city, lat: at.lat.toFixed(6), long: at.lng.toFixed(6) });
      const { covered, districts } = await fetched(`${facts.base}/coverage.json?${query}`);
      const name = districts.find((each) => each.layer === facts.districts)?.name;
      if (!covered) text = say(_("This place is outside of the city: please move the pin."));
      else if (name) text = say(_("The pin is in %(district)s."), { district: name });
    } catch {
      // Where it is stands in the fields all the same.
    }
    if (mine === asking) says.textContent = text;
  }

  function put(at, { isTyped = false } = {}) {
    const place = at.wrap();
    if (!pin) {
      pin = L.marker(place, {
        draggable: true, autoPan: true, title: say(_("Where it is")), alt: say(_("Where it is")),
        icon: L.divIcon({ className: "map-here", iconSize: [36, 46], iconAnchor: [18, 46] }),
      }).addTo(map);
      pin.on("dragend", () => put(pin.getLatLng()));
    }
    pin.setLatLng(place);
    away.hidden = false;
    if (!isTyped) {
      lat.value = place.lat.toFixed(6);
      long.value = place.lng.toFixed(6);
    }
    tell(place);
  }

  function remove() {
    pin.remove();
    pin = null;
    lat.value = "";
    long.value = "";
    asking += 1;
    away.hidden = true;
    document.getElementById("pin-middle").focus();
    says.textContent = say(_("There is no pin."));
  }

  map.on("click", (event) => put(event.latlng));
  document.getElementById("pin-middle").addEventListener("click", () => put(map.getCenter()));
  away.addEventListener("click", remove);
  for (const field of [lat, long]) {
    field.addEventListener("change", () => {
      const at = [Number(lat.value), Number(long.value)];
      if (lat.value && long.value && at.every(Number.isFinite)) {
        put(L.latLng(at), { isTyped: true });
        map.setView(at, PLACED_ZOOM);
      }
    });
  }

  const mine = document.getElementById("pin-mine");
  if (navigator.geolocation && window.isSecureContext) {
    mine.hidden = false;
    mine.addEventListener("click", () => {
      says.textContent = say(_("Looking for your position…"));
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => {
          const at = L.latLng(coords.latitude, coords.longitude);
          map.setView(at, PLACED_ZOOM);
          put(at);
        },
        () => { says.textContent = say(_("Your position cannot be found: please press on the map, or write the address.")); },
        { enableHighAccuracy: true, timeout: 15000, maximumAge: 60000 },
      );
    });
  }

  if (lat.value && long.value) {
    const at = L.latLng(Number(lat.value), Number(long.value));
    if (Number.isFinite(at.lat) && Number.isFinite(at.lng)) {
      map.setView(at, PLACED_ZOOM);
      put(at, { isTyped: true });
    }
  }
})();
