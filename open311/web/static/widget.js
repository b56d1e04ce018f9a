/*
 * <open311-report>, <open311-map> and <open311-track>: report, look around and track on any page.  docs/pages.md says how.
 *
 * A page need not loosen its security policy for them: styles are sheets of their own, what comes from the service is put in
 * as text and never as markup, and nothing is asked of anybody but the service.  English stands here; script/texts finds it.
 */
"use strict";
{
  // A module is told its own address by where an error in it stands: import.meta is none of a plain script's words.
  const SCRIPT = document.currentScript?.src || /https?:\S+?(?=:\d+:\d+)/.exec(new Error().stack)?.[0] || document.baseURI;
  const ENGLISH = "en";
  const SVG = "http://www.w3.org/2000/svg";
  const MOST_CHARACTERS = 4000;
  // Of as many choices at most all are shown at once.
  const MOST_SHOWN_CHOICES = 8;
  const MOST_LISTED = 50;
  const TOKEN_TRIES = 6;
  const TOKEN_WAIT_MS = 2500;

  /* ---- elements and texts ---- */

  /** An element with attributes and listeners (name: value, or name: function) and children; a text is only ever text. */
  function make(tag, facts = {}, ...children) {
    return fit(document.createElement(tag), facts, children);
  }

  /** The same within an <svg>. */
  function draw(tag, facts = {}, ...children) {
    return fit(document.createElementNS(SVG, tag), facts, children);
  }

  function fit(element, facts, children) {
    for (const [name, value] of Object.entries(facts)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((each) => each != null && each !== false && each !== ""));
    return element;
  }

  /** A web address as a link may have it; none that would run something. */
  function webAddress(text) {
    try {
      const url = new URL(text);
      return url.protocol === "https:" || url.protocol === "http:" ? url : null;
    } catch {
      return null;
    }
  }

  /** A key that no other draft has; crypto.randomUUID is missing on pages without TLS. */
  function newKey() {
    return Array.from(crypto.getRandomValues(new Uint32Array(4)), (each) => each.toString(16).padStart(8, "0")).join("");
  }

  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  /** Words as a search compares them: without capitals, accents and a plural's s. */
  function wordsIn(text) {
    const plain = text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    return plain.split(/[^\p{L}\p{N}]+/u).filter(Boolean).map((word) => (word.length > 3 ? word.replace(/s$/, "") : word));
  }

  /** Texts one after the other, without those that are empty. */
  const joined = (texts, between = " ") => texts.filter(Boolean).join(between);

  function filled(text, said) {
    return said ? text.replace(/%\((\w+)\)s/g, (_whole, name) => said[name]) : text;
  }

  /** What is said in one language, with its numbers and dates. */
  class Words {
    constructor(code, texts) {
      this.code = code;
      // As gettext counts the forms of a text; browsers name a language's own in an order of theirs.
      const rules = new Intl.PluralRules(code);
      // As on our pages.
      this.locale = code === "es" ? "es-US" : code;
      const own = rules.resolvedOptions().pluralCategories;
      const forms = ["zero", "one", "two", "few", "many", "other"].filter((each) => own.includes(each));
      this._ = (text, said) => filled(texts[text] ?? text, said);
      this.ngettext = (one, many, num) => {
        const known = texts[one];
        const text = known ? known[Math.min(forms.indexOf(rules.select(num)), known.length - 1)] : num === 1 ? one : many;
        return filled(text, { num: this.number(num) });
      };
    }

    number(value) {
      return new Intl.NumberFormat(this.locale, { maximumFractionDigits: 2 }).format(value);
    }

    day(text) {
      return new Intl.DateTimeFormat(this.locale, { dateStyle: "long" }).format(new Date(text));
    }

    dayAndTime(text) {
      return new Intl.DateTimeFormat(this.locale, { dateStyle: "long", timeStyle: "short" }).format(new Date(text));
    }
  }

  const known = new Map([[ENGLISH, Promise.resolve(new Words(ENGLISH, {}))]]);

  /** The words of a language; English where the service has none of it. */
  function wordsOf(code) {
    if (!known.has(code)) known.set(code, fetchWords(code));
    return known.get(code);
  }

  async function fetchWords(code) {
    try {
      const texts = await (await fetch(new URL(`/texts.json?lang=${encodeURIComponent(code)}`, SCRIPT))).json();
      if (Object.keys(texts).length) return new Words(code, texts);
    } catch {
      known.delete(code);
    }
    return known.get(ENGLISH);
  }

  /** A call that did not give what was asked for, in texts for people; status 0: no answer came. */
  class Refused extends Error {
    constructor(status, texts) {
      super(texts.join(" "));
      this.status = status;
      this.texts = texts;
    }
  }

  /* ---- what the elements have in common ---- */

  class Open311Element extends HTMLElement {
    constructor() {
      super();
      this.attachShadow({ mode: "open" }).adoptedStyleSheets = [LOOK];
    }

    connectedCallback() {
      // One that is moved as it is keeps what was typed.
      if (!this.root) this.begin();
    }

    attributeChangedCallback(_name, before, now) {
      if (before === now) return;
      if (this.isConnected) this.begin();
      else this.root = null;
    }

    /** Show it from the start, once for all attributes that change together. */
    begin() {
      if (this.begins) return;
      this.begins = true;
      queueMicrotask(async () => {
        this.begins = false;
        const turn = (this.turn = {});
        const tag = this.getAttribute("lang") || this.closest("[lang]")?.lang || ENGLISH;
        const words = await wordsOf(tag.toLowerCase().split("-")[0]);
        if (turn !== this.turn) return;
        this.words = words;
        // English within a page that is written from right to left runs its own way.
        const isEnglish = words.code === ENGLISH;
        this.root = make("div", { class: "root", lang: words.code, dir: isEnglish && "ltr" });
        this.shadowRoot.replaceChildren(this.root);
        this.show();
      });
    }

    get endpoint() {
      const given = this.getAttribute("endpoint") || new URL("/open311/v2", SCRIPT).href;
      return new URL(given, document.baseURI).href.replace(/\/+$/, "");
    }

    get jurisdiction() {
      return this.getAttribute("jurisdiction") || "";
    }

    /** The full page of a request. */
    pageOf(number) {
      return this.pageUrl(`/track/${encodeURIComponent(number)}`).href;
    }

    /** A page of the service, of this city and in this language. */
    pageUrl(path) {
      const url = new URL(path, this.endpoint);
      if (this.jurisdiction) url.searchParams.set("jurisdiction_id", this.jurisdiction);
      if (this.words.code !== ENGLISH) url.searchParams.set("lang", this.words.code);
      return url;
    }

    /** The answer of the API; raises Refused.  query: pairs of name and value, without those that are empty. */
    async ask(path, query = [], options = {}) {
      const { _ } = this.words;
      let response, said;
      try {
        const url = new URL(`${this.endpoint}/${path}`);
        for (const [name, value] of [["jurisdiction_id", this.jurisdiction], ...query]) if (value) url.searchParams.append(name, value);
        response = await fetch(url, { credentials: "omit", ...options });
        said = await response.json();
      } catch {
        if (!response) throw new Refused(0, [_("The service cannot be reached. Please check your connection and try again: nothing is lost.")]);
      }
      if (response.ok && said !== undefined) return said;
      if (Array.isArray(said)) throw new Refused(response.status, said.map((each) => String(each.description)));
      throw new Refused(response.status, [_("The service did not answer as it should (%(status)s). Please try again in a moment: nothing is lost.", { status: response.status })]);
    }

    /** Run what may be refused; what it was refused for is told. */
    async trying(run, tell) {
      try {
        return await run();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        tell(error);
      }
    }

    /** What is wrong, with the focus on it: pairs of a text and what leads to its field, if anything does. */
    summary(problems) {
      const { _ } = this.words;
      const link = (text, lead) =>
        make("a", { href: "#", click: (event) => (event.preventDefault(), lead()) }, text);
      return make(
        "div",
        { class: "problems", part: "problems", role: "alert", tabindex: -1 },
        make("h3", {}, _("There is a problem")),
        make("ul", {}, problems.map(([text, lead]) => make("li", {}, lead ? link(text, lead) : text))),
      );
    }

    button(text, click, facts = {}) {
      return make("button", { type: "button", part: "button", click, ...facts }, text);
    }

    /** A link to the full page of a request, in a window of its own where something was typed here. */
    link(number, text, facts = {}) {
      return make("a", { href: this.pageOf(number), ...facts }, text);
    }
  }

  /* ---- a small map ---- */

  const TILE = 256;
  const LEAST_ZOOM = 2;
  const CLOSEST_ZOOM = 18;
  // Outlines are drawn once, in pixels of this zoom, from a corner near the city: so that short numbers are exact enough.
  const DRAWN_ZOOM = 12;
  const DRAWN = TILE * 2 ** DRAWN_ZOOM;
  const TOLERANCE_METRES = 25;
  const SLIP_PIXELS = 5;
  const SETTLED_MS = 250;
  const APART_PIXELS = 52;

  /** Where a place lies in the world of Web Mercator: 0 to 1 from west to east, and from north to south. */
  function worldOf(long, lat) {
    const sine = Math.sin((Math.max(-85, Math.min(85, lat)) * Math.PI) / 180);
    return [long / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
  }

  /** Longitude and latitude of a place in that world. */
  function degreesOf([x, y]) {
    return [(x - 0.5) * 360, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI];
  }

  /** Twice the area of a ring, and the middle of it. */
  function middleOf(ring) {
    let area = 0, x = 0, y = 0;
    ring.forEach(([x1, y1], at) => {
      const [x0, y0] = ring[(at || ring.length) - 1];
      const part = (x0 - ring[0][0]) * (y1 - ring[0][1]) - (x1 - ring[0][0]) * (y0 - ring[0][1]);
      area += part;
      x += part * (x0 + x1 + ring[0][0]);
      y += part * (y0 + y1 + ring[0][1]);
    });
    return { area: Math.abs(area), middle: area ? [x / area / 3, y / area / 3] : ring[0] };
  }

  /** Whether a place lies within rings: an odd number of edges is to the east of it. */
  function isWithin(rings, [x, y]) {
    let within = false;
    for (const ring of rings)
      ring.forEach(([x1, y1], at) => {
        const [x0, y0] = ring[(at || ring.length) - 1];
        if (y0 > y !== y1 > y && x < ((x0 - x1) * (y - y1)) / (y0 - y1) + x1) within = !within;
      });
    return within;
  }

  /** Outlines of a city's districts and what lies there; moved by fingers, mouse and keys. */
  class SmallMap {
    /** settled: called when the map rests.  chosen: called with a place that was pointed at (long, lat). */
    constructor(element, { label, hint, settled, chosen }) {
      const { _ } = element.words;
      Object.assign(this, { element, settled, chosen, places: [], spots: [], pin: null, zoom: LEAST_ZOOM, x: 0.5, y: 0.5 });
      this.outlines = draw("g");
      this.names = draw("g", { class: "names" });
      this.marks = draw("g");
      this.cross = draw("path", { class: "cross", d: "M-12 0H12M0-12V12" });
      const svg = draw("svg", { "aria-hidden": "true", focusable: "false" }, this.outlines, this.names, this.marks, this.cross);
      this.box = make("div", { class: "map", part: "map", role: "application", tabindex: 0, "aria-label": label, "aria-describedby": "map-hint" }, svg);
      this.frame = make(
        "div",
        {},
        make(
          "div",
          { class: "frame" },
          this.box,
          make(
            "div",
            { class: "zoom" },
            element.button("+", () => this.zoomBy(1), { "aria-label": _("Zoom in") }),
            element.button("\u2212", () => this.zoomBy(-1), { "aria-label": _("Zoom out") }),
          ),
        ),
        make("p", { class: "hint", id: "map-hint" }, hint),
      );
      this.listen();
      new ResizeObserver(() => this.resize()).observe(this.box);
    }

    /** Fetch and draw the outlines: of the city, and of a layer or a district (LAYER:CODE). */
    async outline(layer, district) {
      const wanted = layer || district?.split(":")[0];
      const layers = await this.element.ask("layers.json");
      const city = layers.find((each) => each.is_outline);
      const codes = [...new Set([city?.code, wanted || (await this.bestKnown(city))].filter(Boolean))];
      const found = await this.element.ask("districts.geojson", [["layer", codes.join(",")], ["boundary", "true"], ["tolerance", TOLERANCE_METRES]]);
      for (const { bbox, geometry, properties } of found.features) {
        const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
        const rings = polygons.flat().map((ring) => ring.map(([long, lat]) => worldOf(long, lat)));
        const isCity = properties.layer === city?.code;
        const isThis = `${properties.layer}:${properties.code}` === district;
        if (isThis || (isCity && !this.fits)) this.fits = bbox;
        this.corner ??= rings[0][0];
        const { middle } = rings.map(middleOf).reduce((largest, each) => (each.area > largest.area ? each : largest));
        if (!isCity) this.places.push({ name: properties.name, rings, middle });
        this.outlines.append(draw("path", { class: isThis ? "this" : isCity ? "city" : "", d: rings.map((ring) => this.pathOf(ring)).join("") }));
      }
      this.fits ??= found.features[0]?.bbox;
      this.look(this.fits);
    }

    /** The layer with the most names that people know: those without a figure in them. */
    async bestKnown(city) {
      const named = new Map();
      for (const { layer, name } of await this.element.ask("districts.json"))
        if (layer !== city?.code) named.set(layer, (named.get(layer) ?? 0) + !/\d/.test(name));
      return [...named].reduce((most, each) => (each[1] > most[1] ? each : most), [null, 0])[0];
    }

    pathOf(ring) {
      return `M${ring.map(([x, y]) => `${((x - this.corner[0]) * DRAWN).toFixed(2)} ${((y - this.corner[1]) * DRAWN).toFixed(2)}`).join("L")}Z`;
    }

    /** The name of the district that a place lies in, or nothing. */
    nameAt(long, lat) {
      return this.places.find((each) => isWithin(each.rings, worldOf(long, lat)))?.name;
    }

    /** Look at all of a box: west, south, east, north. */
    look(bbox) {
      if (!bbox) return;
      this.wanted = bbox;
      if (!this.width) return;
      const [west, north] = worldOf(bbox[0], bbox[3]);
      const [east, south] = worldOf(bbox[2], bbox[1]);
      const fitting = Math.log2(Math.min(this.width / (east - west || 1e-9), this.height / (south - north || 1e-9)) / TILE);
      this.lookAt((west + east) / 2, (north + south) / 2, Math.floor(fitting * 4) / 4);
      // Until it is moved: a map that becomes wider or narrower looks at the same.
      this.wanted = bbox;
    }

    lookAt(x, y, zoom) {
      this.wanted = null;
      this.zoom = Math.max(LEAST_ZOOM, Math.min(CLOSEST_ZOOM, zoom));
      this.x = Math.max(0, Math.min(1, x));
      this.y = Math.max(0, Math.min(1, y));
      this.paint();
      clearTimeout(this.timer);
      if (this.settled) this.timer = setTimeout(this.settled, SETTLED_MS);
    }

    zoomBy(step, [x, y] = [this.x, this.y]) {
      const zoom = Math.max(LEAST_ZOOM, Math.min(CLOSEST_ZOOM, this.zoom + step));
      const part = 2 ** (this.zoom - zoom);
      this.lookAt(x + (this.x - x) * part, y + (this.y - y) * part, zoom);
    }

    moveBy(right, down) {
      const world = TILE * 2 ** this.zoom;
      this.lookAt(this.x + right / world, this.y + down / world, this.zoom);
    }

    resize() {
      [this.width, this.height] = [this.box.clientWidth, this.box.clientHeight];
      // Before the outlines are there, it would be the whole world.
      if (!this.width || !this.fits) return;
      if (this.wanted) this.look(this.wanted);
      else this.lookAt(this.x, this.y, this.zoom);
    }

    /** West, south, east and north of what is seen. */
    get bbox() {
      const [west, north] = degreesOf(this.placeAt(0, 0));
      const [east, south] = degreesOf(this.placeAt(this.width, this.height));
      return [Math.max(-180, west), Math.max(-90, south), Math.min(180, east), Math.min(90, north)].map((each) => each.toFixed(6)).join(",");
    }

    /** The place of a pixel. */
    placeAt(left, top) {
      const world = TILE * 2 ** this.zoom;
      return [this.x + (left - this.width / 2) / world, this.y + (top - this.height / 2) / world];
    }

    pixelOf([x, y]) {
      const world = TILE * 2 ** this.zoom;
      return [(x - this.x) * world + this.width / 2, (y - this.y) * world + this.height / 2];
    }

    /** Show these: long, lat and mark, which is drawn around 0 0. */
    showSpots(spots) {
      this.spots = spots.map(({ long, lat, mark }) => ({ at: worldOf(long, lat), mark }));
      this.marks.replaceChildren(...this.spots.map((each) => each.mark));
      this.paint();
    }

    /** Put the pin there, or take it away. */
    putPin(long, lat) {
      const mark = draw("path", { class: "pin", d: "M0 0C-4-10-11-14-11-23A11 11 0 0 1 11-23C11-14 4-10 0 0Z" });
      this.showSpots(long === undefined ? [] : [{ long, lat, mark }]);
    }

    paint() {
      if (!this.width) return;
      const moved = (place) => `translate(${this.pixelOf(place).map((each) => each.toFixed(1)).join(" ")})`;
      if (this.corner) this.outlines.setAttribute("transform", `${moved(this.corner)} scale(${2 ** (this.zoom - DRAWN_ZOOM)})`);
      for (const { at, mark } of this.spots) mark.setAttribute("transform", moved(at));
      this.cross.setAttribute("transform", `translate(${this.width / 2} ${this.height / 2})`);
      this.paintNames();
    }

    /** Names of districts where there is room for them. */
    paintNames() {
      const taken = this.spots.map(({ at }) => [...this.pixelOf(at), 20]);
      const shown = [];
      for (const { name, middle } of this.places) {
        const [left, top] = this.pixelOf(middle);
        const half = name.length * 3.6 + 6;
        if (left < half || left > this.width - half || top < 16 || top > this.height - 16) continue;
        if (taken.some(([x, y, other]) => Math.abs(x - left) < half + other && Math.abs(y - top) < 20)) continue;
        taken.push([left, top, half]);
        shown.push(draw("text", { x: left, y: top }, name));
      }
      this.names.replaceChildren(...shown);
    }

    listen() {
      const { box } = this;
      const fingers = new Map();
      let slid = false;
      let spread = 0;
      const spreadOf = () => {
        const [one, other] = [...fingers.values()];
        return other && Math.hypot(one.x - other.x, one.y - other.y);
      };
      box.addEventListener("pointerdown", (event) => {
        fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
        if (fingers.size === 1) slid = false;
        spread = spreadOf();
      });
      box.addEventListener("pointermove", (event) => {
        const finger = fingers.get(event.pointerId);
        if (!finger) return;
        const [right, down] = [event.clientX - finger.x, event.clientY - finger.y];
        if (!slid && Math.hypot(right, down) < SLIP_PIXELS) return;
        // Not before it slides: what is clicked on would be the map, and never a link on it.
        if (!slid) box.setPointerCapture(event.pointerId);
        slid = true;
        Object.assign(finger, { x: event.clientX, y: event.clientY });
        if (fingers.size === 1) return this.moveBy(-right, -down);
        const share = spreadOf() / spread;
        if (share < 0.6 || share > 1.7) {
          spread = spreadOf();
          this.zoomBy(share > 1 ? 1 : -1);
        }
      });
      for (const name of ["pointerup", "pointercancel", "pointerleave"])
        box.addEventListener(name, (event) => {
          if (name !== "pointerleave" || !box.hasPointerCapture(event.pointerId)) fingers.delete(event.pointerId);
        });
      box.addEventListener("dragstart", (event) => event.preventDefault());
      box.addEventListener(
        "click",
        (event) => {
          if (slid) {
            event.preventDefault();
            event.stopPropagation();
          } else if (this.chosen) {
            const { left, top } = box.getBoundingClientRect();
            this.chosen(...degreesOf(this.placeAt(event.clientX - left - box.clientLeft, event.clientY - top - box.clientTop)));
          }
        },
        true,
      );
      box.addEventListener("keydown", (event) => {
        const keys = {
          ArrowLeft: () => this.moveBy(-this.width / 4, 0),
          ArrowRight: () => this.moveBy(this.width / 4, 0),
          ArrowUp: () => this.moveBy(0, -this.height / 4),
          ArrowDown: () => this.moveBy(0, this.height / 4),
          "+": () => this.zoomBy(1),
          "=": () => this.zoomBy(1),
          "-": () => this.zoomBy(-1),
          Home: () => this.look(this.fits),
          Enter: this.chosen && (() => this.chosen(...degreesOf([this.x, this.y]))),
        };
        if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
        event.preventDefault();
        keys[event.key]();
      });
    }
  }

  /* ---- <open311-report> ---- */

  const STEPS = ["what", "where", "details", "contact", "check"];
  // How the API's messages begin, and the field that they speak of.
  const SPOKEN_OF = { lat: "address", long: "address", address_string: "address", a: "address", description: "description", email: "email", phone: "phone", first_name: "first_name", last_name: "last_name", service_code: "search", at: "photo", the: "photo" };

  class ReportElement extends Open311Element {
    static observedAttributes = ["endpoint", "jurisdiction", "service"];

    async show() {
      const { _ } = this.words;
      Object.assign(this, { key: newKey(), service: null, point: null, questions: new Map(), asked: [], step: null, isSending: false });
      this.told = make("div");
      this.status = make("p", { role: "status", class: "quiet" }, _("Loading…"));
      this.root.append(this.told, this.status);
      await this.trying(
        async () => {
          const turn = this.turn;
          const services = await this.ask("services.json", [["extensions", "true"]]);
          if (turn !== this.turn) return;
          this.services = services;
          this.status.textContent = "";
          this.build();
          const given = this.getAttribute("service");
          const service = given && services.find((each) => each.service_code === given);
          if (given && !service) this.told.replaceChildren(this.summary([[_("We do not find this service")]]));
          if (service) await this.choose(service, this.isAgain);
          else this.go("what", this.isAgain);
          this.isAgain = false;
        },
        (error) => {
          this.status.textContent = "";
          this.told.replaceChildren(this.summary(error.texts.map((text) => [text])), this.button(_("Try again"), () => this.begin()), make("slot"));
        },
      );
    }

    build() {
      const { _ } = this.words;
      this.sections = { what: this.what(), where: this.where(), details: this.details(), contact: this.contact(), check: this.check() };
      this.back = this.button(_("Back"), () => this.goBack(), { class: "second" });
      this.onward = make("button", { type: "submit", part: "button" });
      this.buttons = make("div", { class: "buttons" }, this.onward, this.back);
      this.progress = make("p", { class: "quiet small" });
      this.form = make(
        "form",
        { novalidate: true, submit: (event) => (event.preventDefault(), this.next()) },
        this.progress,
        Object.values(this.sections),
        this.buttons,
      );
      this.root.replaceChildren(this.told, this.form, this.status);
    }

    /** A step: its question, and what is under it. */
    section(question, ...children) {
      return make("section", { hidden: true }, make("h2", { tabindex: -1 }, question), children);
    }

    /** A field with its label, hint, and room for what is wrong with it. */
    field(id, label, input, { hint, isOptional = true } = {}) {
      fit(input, { id, "aria-describedby": `${hint ? `${id}-hint ` : ""}${id}-problem` }, []);
      return make(
        "div",
        { class: "field" },
        make("label", { for: id }, label, isOptional && this.optional()),
        hint && make("p", { class: "hint", id: `${id}-hint` }, hint),
        this.problem(id),
        input,
      );
    }

    optional() {
      return make("span", { class: "quiet" }, " ", this.words._("(optional)"));
    }

    problem(id) {
      return make("p", { class: "problem", id: `${id}-problem`, hidden: true });
    }

    what() {
      const { _ } = this.words;
      this.found = make("ul", { class: "choices", hidden: true });
      this.count = make("p", { role: "status", class: "small" });
      const groups = new Map();
      for (const service of this.services) groups.set(service.group, [...(groups.get(service.group) ?? []), service]);
      this.groups = make(
        "details",
        { class: "groups" },
        make("summary", {}, _("Or choose from all services")),
        [...groups].map(([group, services]) =>
          make("details", {}, make("summary", {}, group || _("Other")), make("ul", { class: "choices" }, services.map((each) => this.choice(each)))),
        ),
      );
      const search = make("input", { type: "search", maxlength: 200, autocomplete: "off", input: () => this.search() });
      const phone = this.services.find((each) => each.emergency_phone)?.emergency_phone;
      return this.section(
        _("What do you want to report?"),
        phone && make("p", { class: "note urgent" }, _("Is somebody in danger?"), " ", _("Call"), " ", this.telephone(phone)),
        this.field("search", _("Search in your own words"), search, { hint: _("For example: pothole, broken lamp, missed garbage"), isOptional: false }),
        this.count,
        this.found,
        this.groups,
      );
    }

    telephone(number) {
      return make("a", { href: `tel:${number}`, class: "strong" }, number);
    }

    choice(service) {
      const { service_name, description } = service;
      return make("li", {}, this.button(service_name, () => this.choose(service), { class: "plain", part: "choice" }), description && make("p", { class: "small" }, description));
    }

    search() {
      const { _, ngettext } = this.words;
      const words = wordsIn(this.value("search"));
      const says = (text) => words.every((word) => wordsIn(text).some((other) => other.startsWith(word)));
      const all = words.length ? this.services.filter((each) => says(`${each.service_name} ${each.keywords} ${each.description} ${each.group}`)) : [];
      // Those that are called so come first.
      const fits = [...all.filter((each) => says(each.service_name)), ...all.filter((each) => !says(each.service_name))];
      this.found.hidden = !fits.length;
      this.groups.hidden = fits.length > 0;
      this.found.replaceChildren(...fits.map((each) => this.choice(each)));
      const none = _("Please try another word: what you see, or what should be done.");
      this.count.textContent = !words.length ? "" : fits.length ? ngettext("%(num)s service fits", "%(num)s services fit", fits.length) : none;
    }

    where() {
      const { _ } = this.words;
      this.map = new SmallMap(this, {
        label: _("Map to put a pin on"),
        hint: _("Touch the map to put the pin there. By keyboard: arrows move the map, + and − zoom, Enter puts the pin in the middle."),
        chosen: (long, lat) => this.putPin(long, lat),
      });
      this.pinned = make("p", { role: "status" });
      this.unpin = this.button(_("Remove the pin"), () => (this.putPin(), this.at("address").focus()), { class: "second", hidden: true });
      const position = this.button(_("Use my position"), () => this.locate(), { class: "second" });
      this.map.outline(this.getAttribute("layer")).catch(() => (this.map.frame.hidden = true));
      this.urgent = make("p", { class: "note urgent", hidden: true });
      return this.section(
        _("Where is it?"),
        this.urgent,
        this.field("address", _("Address or crossing"), make("input", { autocomplete: "street-address", maxlength: 1000 }), {
          hint: _("Street and number, or two streets: 12 Main St, or Main St & Park Ave"),
          isOptional: false,
        }),
        make("p", { class: "strong" }, _("Or put a pin on the map")),
        make("div", { class: "buttons" }, position, this.unpin),
        this.pinned,
        this.map.frame,
      );
    }

    locate() {
      const { _ } = this.words;
      const nowhere = () => (this.pinned.textContent = _("Your position cannot be found: please press on the map, or write the address."));
      if (!navigator.geolocation) return nowhere();
      this.pinned.textContent = _("Looking for your position…");
      navigator.geolocation.getCurrentPosition(
        ({ coords: { longitude, latitude } }) => {
          this.map.lookAt(...worldOf(longitude, latitude), 16);
          this.putPin(longitude, latitude);
        },
        nowhere,
        { enableHighAccuracy: true, timeout: 15000 },
      );
    }

    /** Put the pin there, or take it away. */
    putPin(long, lat) {
      const { _ } = this.words;
      this.point = long === undefined ? null : { lat: lat.toFixed(6), long: long.toFixed(6) };
      this.map.putPin(long, lat);
      this.unpin.hidden = !this.point;
      this.pinned.textContent = this.point ? _("The pin is at %(place)s.", { place: this.placeOfPin() }) : _("There is no pin.");
    }

    placeOfPin() {
      const { lat, long } = this.point;
      const name = this.map.nameAt(Number(long), Number(lat));
      return joined([name, Number(lat).toFixed(5), Number(long).toFixed(5)], ", ");
    }

    details() {
      const { _ } = this.words;
      this.form_of_service = make("div");
      return this.section(
        _("What is wrong?"),
        this.form_of_service,
        this.field("description", _("Describe it in your own words"), make("textarea", { rows: 5 }), { hint: " " }),
        this.field("photo", _("Photos"), make("input", { type: "file", multiple: true, accept: "image/*,.heic,application/pdf" }), { hint: " " }),
      );
    }

    contact() {
      const { _ } = this.words;
      const line = (id, label, facts) => this.field(id, label, make("input", { maxlength: 1000, ...facts }));
      return this.section(
        _("How can we reach you?"),
        make("p", {}, _("You need not say who you are. With an e-mail address we can tell you what becomes of your report. Only the city sees what you write here.")),
        line("email", _("Your e-mail address"), { type: "email", autocomplete: "email" }),
        line("first_name", _("First name"), { autocomplete: "given-name" }),
        line("last_name", _("Last name"), { autocomplete: "family-name" }),
        line("phone", _("Telephone"), { type: "tel", autocomplete: "tel" }),
      );
    }

    check() {
      const { _ } = this.words;
      this.facts = make("dl", { class: "facts" });
      this.nearby = make("div", { "aria-live": "polite" });
      this.goes = make("p", { "aria-live": "polite" });
      return this.section(_("Please check your report"), this.nearby, this.facts, this.goes);
    }

    /** Take a service: fetch its questions, and go to the place. */
    async choose(service, moves = true) {
      const { _ } = this.words;
      const code = service.service_code;
      this.status.textContent = _("Loading…");
      await this.trying(
        async () => {
          if (!this.questions.has(code)) {
            const asked = service.metadata ? (await this.ask(`services/${encodeURIComponent(code)}.json`)).attributes : [];
            this.questions.set(code, asked.sort((one, other) => one.order - other.order).map((each, at) => this.question(each, `question-${at}`)));
          }
          this.service = service;
          // Those of another service are kept, with what was answered, for who comes back to it.
          this.asked = this.questions.get(code);
          this.form_of_service.replaceChildren(...this.asked.map((each) => each.shown));
          this.tellOf(service);
          this.status.textContent = "";
          this.tell([]);
          this.go("where", moves);
        },
        (error) => {
          if (!this.step) this.go("what", false);
          this.tell(error.texts.map((text) => [null, text]));
        },
      );
    }

    /** What of the service is an emergency, and who will read what is written. */
    tellOf({ emergency, emergency_phone: phone, keywords }) {
      const { _ } = this.words;
      const isPrivate = keywords.split(",").includes("private");
      // Who comes at once stands in the first step, which may be left out.
      const isFirst = this.getAttribute("service") && phone;
      const said = emergency ? [make("strong", {}, _("An emergency:")), ` ${emergency} `] : [_("Is somebody in danger?"), " "];
      this.urgent.hidden = !emergency && !isFirst;
      this.urgent.replaceChildren(...said, ...(phone ? [_("Call"), " ", this.telephone(phone)] : []));
      this.at("description-hint").textContent = joined([_("What do you see, and what makes it easy to find?"), !isPrivate && _("Everybody can read this: please write no names and no telephone numbers.")]);
      this.at("photo-hint").textContent = joined([!isPrivate && _("Everybody can see them: please show no faces and no licence plates."), _("We take out what the camera wrote into them.")]);
    }

    /** A question of the service as it is shown; values: what is answered, words: the same for people. */
    question(asked, id) {
      const { _ } = this.words;
      const { code, datatype, description, datatype_description: hint, variable } = asked;
      const isOptional = !asked.required;
      if (!variable) return { ...asked, id, shown: make("p", { class: "note" }, description), values: () => [], words: () => "" };
      const choices = asked.values ?? [];
      const nameOf = (key) => choices.find((each) => each.key === key)?.name ?? key;
      const isMany = datatype === "multivaluelist";
      if (isMany || (datatype === "singlevaluelist" && choices.length <= MOST_SHOWN_CHOICES)) {
        const inputs = choices.map(({ key }, at) => make("input", { type: isMany ? "checkbox" : "radio", name: `${this.key}-${code}`, value: key, id: at ? null : id }));
        const shown = make(
          "fieldset",
          { "aria-describedby": `${hint ? `${id}-hint ` : ""}${id}-problem` },
          make("legend", {}, description, isOptional && this.optional()),
          hint && make("p", { class: "hint", id: `${id}-hint` }, hint),
          this.problem(id),
          inputs.map((input, at) => make("label", { class: "choice" }, input, make("span", {}, choices[at].name))),
        );
        const values = () => inputs.filter((each) => each.checked).map((each) => each.value);
        return { ...asked, id, shown, values, words: () => values().map(nameOf).join(", ") };
      }
      let input;
      if (datatype === "singlevaluelist")
        input = make("select", {}, make("option", { value: "" }, _("Please choose")), choices.map(({ key, name }) => make("option", { value: key }, name)));
      else if (datatype === "text") input = make("textarea", { rows: 4 });
      else if (datatype === "datetime") input = make("input", { type: "datetime-local", class: "short" });
      else if (datatype === "number") input = make("input", { inputmode: "decimal", class: "short" });
      else input = make("input");
      const values = () => [input.value.trim()].filter(Boolean);
      const words = () => (datatype === "datetime" && input.value ? this.words.dayAndTime(input.value) : nameOf(input.value));
      return { ...asked, id, shown: this.field(id, description, input, { hint, isOptional }), values, words };
    }

    value(id) {
      return this.at(id)?.value.trim() ?? "";
    }

    at(id) {
      return this.shadowRoot.getElementById(id);
    }

    /** Show a step; nothing of the others is lost. */
    go(step, moves = true) {
      const { _ } = this.words;
      this.step = step;
      for (const [name, section] of Object.entries(this.sections)) section.hidden = name !== step;
      const steps = this.getAttribute("service") ? STEPS.slice(1) : STEPS;
      const at = Math.max(0, steps.indexOf(step));
      this.progress.textContent = joined([_("Step %(number)s of %(count)s", { number: at + 1, count: steps.length }), step !== "what" && this.service?.service_name], " · ");
      this.buttons.hidden = step === "what";
      this.back.hidden = at === 0;
      this.onward.textContent = step === "check" ? _("Send the report") : _("Continue");
      if (moves) {
        this.sections[step].querySelector("h2").focus({ preventScroll: true });
        if (this.getBoundingClientRect().top < 0) this.scrollIntoView();
      }
    }

    goBack() {
      this.tell([]);
      this.go(STEPS[STEPS.indexOf(this.step) - 1]);
    }

    async next() {
      const { step } = this;
      if (step === "what") return this.search();
      if (step === "check") return this.send();
      const problems = step === "where" ? await this.wrongPlace() : step === "details" ? this.wrongDetails() : this.wrongContact();
      if (step !== this.step) return;
      this.tell(problems);
      if (problems.length) return;
      this.go(STEPS[STEPS.indexOf(step) + 1]);
      if (this.step === "check") await this.review();
    }

    /** What is wrong with the place, as the service sees it. */
    async wrongPlace() {
      const { _ } = this.words;
      let problems = [];
      await this.trying(
        () => this.ask("route.json", [["service_code", this.service.service_code], ...this.place()]),
        (error) => {
          const isMissing = error.status === 400 && !this.place().length;
          problems = (isMissing ? [_("Enter an address or a crossing of two streets.")] : error.texts).map((text) => [error.status === 400 ? "address" : null, this.plain(text)]);
        },
      );
      return problems;
    }

    wrongDetails() {
      const { _ } = this.words;
      const problems = [];
      for (const { id, required, datatype, variable, description: question, values } of this.asked) {
        const [value] = values();
        if (variable && required && !value) problems.push([id, _("Answer this question: %(question)s", { question })]);
        else if (datatype === "number" && value && !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(value)) problems.push([id, _("Answer with a number, such as 3 or 2.5: %(question)s", { question })]);
      }
      if (this.value("description").length > MOST_CHARACTERS)
        problems.push(["description", _("Please say it in at most %(most)s characters.", { most: this.words.number(MOST_CHARACTERS) })]);
      return problems;
    }

    wrongContact() {
      const { _ } = this.words;
      const email = this.value("email");
      return email && !/^\S+@\S+\.\S+$/.test(email) ? [["email", _("Enter an e-mail address like name@example.org.")]] : [];
    }

    /** Pairs of what says where: the pin, the address, or both. */
    place() {
      const pairs = Object.entries(this.point ?? {});
      const address = this.value("address");
      return address ? [...pairs, ["address_string", address]] : pairs;
    }

    answers() {
      return this.asked.flatMap(({ code, datatype, values }) => values().map((value) => [`attribute[${code}]${datatype === "multivaluelist" ? "[]" : ""}`, value]));
    }

    /** Before it is sent: all that was typed, what is known nearby, and who gets it. */
    async review() {
      const { _, ngettext } = this.words;
      const none = _("Not given");
      const fact = (label, text, step) =>
        make(
          "div",
          {},
          make("dt", {}, label),
          make("dd", {}, text || none),
          step && make("dd", {}, this.button(_("Change"), () => this.go(step), { class: "plain", "aria-label": joined([_("Change"), label], ": ") })),
        );
      const place = joined([this.value("address"), this.point && this.placeOfPin()], "; ");
      const who = joined(["first_name", "last_name", "email", "phone"].map((id) => this.value(id)), ", ");
      this.facts.replaceChildren(
        fact(_("Service"), this.service.service_name, !this.getAttribute("service") && "what"),
        fact(_("Place"), place, "where"),
        ...this.asked.filter((each) => each.values().length).map((each) => fact(each.description, each.words(), "details")),
        fact(_("Description"), this.value("description"), "details"),
        fact(_("Photos"), [...this.at("photo").files].map((each) => each.name).join(", "), "details"),
        fact(_("Who you are"), who, "contact"),
      );
      this.nearby.replaceChildren();
      this.goes.textContent = "";
      const about = [["service_code", this.service.service_code], ...this.place()];
      const similar = this.place().length ? this.ask("similar.json", [...about, ["description", this.value("description").slice(0, 1000)]]) : [];
      const [found, route] = await Promise.allSettled([similar, this.ask("route.json", [...about, ...this.answers()])]);
      if (route.status === "fulfilled") this.goes.textContent = _("Your report goes to: %(department)s.", { department: route.value.department });
      if (found.status !== "fulfilled" || !found.value.length) return;
      const item = (each) =>
        make(
          "li",
          {},
          make("strong", {}, each.service_name),
          each.address && `, ${each.address}`,
          make(
            "p",
            { class: "small quiet" },
            joined([
              _("reported on %(day)s", { day: this.words.day(each.requested_datetime) }),
              each.distance_metres !== null && _("%(metres)s m away", { metres: this.words.number(Math.round(each.distance_metres)) }),
              ngettext("by %(num)s person", "by %(num)s people", each.reported_by),
              each.status === "open" ? _("open") : _("closed"),
            ], ", "),
          ),
          // What was typed here stays where it is.
          this.link(each.service_request_id, joined([_("Follow report %(number)s instead", { number: each.service_request_id }), _("(opens a new window)")]), { target: "_blank", rel: "noopener", class: "target" }),
        );
      this.nearby.replaceChildren(
        make(
          "div",
          { class: "note" },
          make("h3", {}, _("Is it one of these?")),
          make("p", {}, _("This was reported nearby already. If it is the same, you can follow that report instead of sending another one.")),
          make("ul", { class: "choices" }, found.value.map(item)),
        ),
      );
    }

    /** Say what is wrong: pairs of a field's id, or nothing, and a text; none: nothing is. */
    tell(problems) {
      // Emptied too, for what is hidden is read all the same with the field that it describes.
      for (const each of this.form.querySelectorAll(".problem")) fit(each, { hidden: true }, []).replaceChildren();
      for (const each of this.form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
      this.status.textContent = "";
      this.told.replaceChildren();
      if (!problems.length) return;
      for (const [id, text] of problems) {
        const field = id && this.at(id);
        if (!field) continue;
        (field.closest("fieldset") ?? field).setAttribute("aria-invalid", "true");
        fit(this.at(`${id}-problem`), {}, []).replaceChildren(text);
        this.at(`${id}-problem`).hidden = false;
      }
      const summary = this.summary(problems.map(([id, text]) => [text, id && this.at(id) && (() => this.leadTo(id))]));
      this.told.append(summary);
      summary.focus();
    }

    leadTo(id) {
      const section = this.at(id).closest("section");
      this.go(STEPS.find((step) => this.sections[step] === section), false);
      this.at(id).focus();
    }

    /** The field that a message of the API speaks of. */
    fieldOf(text) {
      const question = this.asked.find(({ code }) => text.startsWith(`${code} `));
      const photo = [...this.at("photo").files].some(({ name }) => text.includes(name));
      return question?.id ?? (photo ? "photo" : SPOKEN_OF[text.split(" ")[0]]);
    }

    /** A message of the API about what people can do something about, in their words. */
    plain(text) {
      const { _ } = this.words;
      const said = (pattern) => text.match(pattern)?.[1];
      const city = said(/ is outside the area served, (.+)/);
      const service = said(/(.+) is not offered at /);
      const most = said(/^at most (.+) photos/);
      const { name } = [...this.at("photo").files].find((each) => text.includes(each.name)) ?? {};
      if (city) return _("This place is outside of %(city)s.", { city });
      if (service) return _("%(service)s is not offered at this place.", { service });
      if (/^the body must be at most/.test(text)) return _("The photos are too large together: please send fewer or smaller ones.");
      if (most) return _("At most %(most)s photos can come with a report.", { most });
      return name ? _("“%(name)s” cannot be taken. Choose a smaller photo (JPEG, PNG, GIF, WebP, HEIC) or PDF.", { name }) : text;
    }

    async send() {
      const { _ } = this.words;
      // Pressed twice it is one call; called twice, the key makes it one request.
      if (this.isSending) return;
      this.tell([]);
      this.isSending = true;
      this.onward.setAttribute("aria-disabled", "true");
      this.status.textContent = _("Sending…");
      const form = new FormData();
      const lines = ["description", "email", "first_name", "last_name", "phone"].map((id) => [id, this.value(id)]);
      const pairs = [["api_key", this.getAttribute("api-key") ?? ""], ["service_code", this.service.service_code], ...this.place(), ...this.answers(), ...lines];
      for (const [name, value] of pairs) if (value) form.append(name, value);
      for (const file of this.at("photo").files) form.append("media", file);
      // Who changed something after an answer was lost sends another one.
      const said = JSON.stringify([...form].map(([name, value]) => [name, value.name ?? value, value.size]));
      if (said !== this.said) Object.assign(this, { said, key: newKey() });
      await this.trying(
        async () => {
          const options = { method: "POST", body: form, headers: { "Idempotency-Key": this.key } };
          const [receipt] = await this.ask("requests.json", [], options);
          await this.sent(receipt);
        },
        (error) => this.tell(error.texts.map((text) => [error.status === 400 ? this.fieldOf(text) : null, this.plain(text)])),
      );
      this.isSending = false;
      this.onward.removeAttribute("aria-disabled");
    }

    /** It is sent: its number, or what stands for it until there is one, and what happens now. */
    async sent({ service_request_id: number = null, token = null, service_notice: notice }) {
      const { _ } = this.words;
      this.dispatchEvent(new CustomEvent("open311-sent", { bubbles: true, composed: true, detail: { number, token } }));
      const headline = make("h2", { tabindex: -1 }, _("Your report was sent"));
      const panel = make("div", { class: "panel", part: "panel" }, headline, make("p", {}, this.service.service_name));
      const more = make("div", { "aria-live": "polite" });
      this.root.replaceChildren(panel, notice ? make("p", { class: "note" }, notice) : "", more, make("p", {}, this.button(_("Report something else"), () => ((this.isAgain = true), this.begin()), { class: "second" })));
      headline.focus();
      if (number) return this.tellNumber(number, panel, more);
      if (!token) return;
      const waits = make("p", {}, _("Its number comes later. Until then it is known as:"), " ", make("span", { class: "number" }, token));
      panel.append(waits);
      const turn = this.turn;
      for (let tries = 0; tries < TOKEN_TRIES; tries++) {
        await wait(TOKEN_WAIT_MS);
        if (turn !== this.turn) return;
        const [found] = await this.ask(`tokens/${encodeURIComponent(token)}.json`).catch(() => [{}]);
        if (found.service_request_id) {
          waits.remove();
          return this.tellNumber(found.service_request_id, panel, more);
        }
      }
    }

    async tellNumber(number, panel, more) {
      const { _ } = this.words;
      panel.append(make("p", {}, _("Its number:"), " ", make("strong", { class: "number" }, number)));
      await this.trying(
        async () => {
          const [request] = await this.ask(`requests/${encodeURIComponent(number)}.json`);
          more.append(
            request.agency_responsible ? make("p", {}, _("Your report goes to: %(department)s.", { department: request.agency_responsible })) : "",
            request.address && request.lat === null ? make("p", {}, _("Somebody will find the place by what you wrote.")) : "",
            request.expected_datetime ? make("p", {}, _("You can expect it to be done by %(day)s.", { day: this.words.day(request.expected_datetime) })) : "",
            make("p", {}, this.link(number, _("See where it stands"), { class: "target", part: "link" })),
          );
        },
        (error) =>
          more.append(
            error.status === 404
              ? make("p", {}, _("This kind of report is not shown in public."))
              : make("p", {}, this.link(number, _("See where it stands"), { class: "target", part: "link" })),
          ),
      );
    }
  }

  /* ---- <open311-map> ---- */

  class MapElement extends Open311Element {
    static observedAttributes = ["endpoint", "jurisdiction", "lang", "layer", "service", "status", "district"];

    async show() {
      const { _ } = this.words;
      this.map = new SmallMap(this, {
        label: _("Map of reports"),
        hint: _("Drag to move. By keyboard: arrows move the map, + and − zoom. The table says the same."),
        settled: () => this.load(),
      });
      this.told = make("p", { role: "status" });
      this.rows = make("tbody");
      this.listed = make("div");
      const head = [_("Where"), _("Reports"), _("Open now"), _("Show")];
      this.root.append(
        this.map.frame,
        this.told,
        this.listed,
        make(
          "details",
          {},
          make("summary", {}, _("The map as a table")),
          make(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": _("The map as a table") },
            make("table", {}, make("thead", {}, make("tr", {}, head.map((text) => make("th", { scope: "col" }, text)))), this.rows),
          ),
        ),
      );
      await this.trying(() => this.map.outline(this.getAttribute("layer"), this.getAttribute("district")), (error) => this.failed(error, () => this.begin()));
    }

    failed(error, again) {
      this.told.replaceChildren(`${error.texts.join(" ")} `, this.button(this.words._("Try again"), again, { class: "second" }));
    }

    get filters() {
      return [["service_code", this.getAttribute("service")], ["status", this.getAttribute("status")], ["district", this.getAttribute("district")]];
    }

    async load() {
      const { zoom, bbox } = this.map;
      const turn = (this.loading = {});
      // About twice as wide as the API's own cells for this zoom; where the map cannot come closer, narrow ones.
      const cells = zoom < CLOSEST_ZOOM ? Math.round(zoom) - 1 : CLOSEST_ZOOM + 2;
      await this.trying(
        async () => {
          const clusters = await this.ask("clusters.json", [["bbox", bbox], ["zoom", cells], ...this.filters]);
          if (turn === this.loading) this.showClusters(clusters);
        },
        (error) => turn === this.loading && this.failed(error, () => this.load()),
      );
    }

    showClusters(clusters) {
      const { _, ngettext } = this.words;
      const total = clusters.reduce((sum, each) => sum + each.count, 0);
      const open = clusters.reduce((sum, each) => sum + each.open, 0);
      const seen = ngettext("%(num)s report of the last 90 days is seen here.", "%(num)s reports of the last 90 days are seen here.", total);
      this.told.textContent = joined([seen, total > 0 && _("Open: %(count)s.", { count: this.words.number(open) })]);
      const apart = this.apart(clusters);
      this.map.showSpots(apart.map((each) => ({ ...each, mark: this.mark(each) })));
      this.rows.replaceChildren(...apart.map((each) => this.row(each)));
    }

    /** The clusters, the largest first; those whose circles would lie on one another are one. */
    apart(clusters) {
      const apart = [];
      for (const each of clusters.sort((one, other) => other.count - one.count)) {
        const [x, y] = this.map.pixelOf(worldOf(each.long, each.lat));
        const near = apart.find((other) => Math.hypot(other.x - x, other.y - y) < APART_PIXELS);
        if (!near) {
          apart.push({ ...each, x, y });
          continue;
        }
        near.count += each.count;
        near.open += each.open;
        near.service_request_id = null;
        for (const edge in near.bbox) near.bbox[edge] = Math[/west|south/.test(edge) ? "min" : "max"](near.bbox[edge], each.bbox[edge]);
      }
      return apart;
    }

    mark(cluster) {
      const { count, open, service_request_id: number } = cluster;
      const kind = open ? "spot" : "spot closed";
      if (number) return draw("a", { href: this.pageOf(number), tabindex: -1, class: kind }, draw("circle", { r: 22, class: "around" }), draw("circle", { r: 8 }));
      const text = new Intl.NumberFormat(this.words.locale, { notation: "compact", maximumFractionDigits: 1 }).format(count);
      const radius = 14 + Math.min(12, 3 * Math.log10(count) + Math.max(0, text.length - 3) * 3);
      return draw("g", { class: kind, click: () => this.comeCloser(cluster) }, draw("circle", { r: 22, class: "around" }), draw("circle", { r: radius }), draw("text", {}, text));
    }

    row(cluster) {
      const { _ } = this.words;
      const { lat, long, count, open, service_request_id: number } = cluster;
      const place = `${lat.toFixed(4)}, ${long.toFixed(4)}`;
      const name = this.map.nameAt(long, lat);
      // Its row is another one then.
      const nearer = () => (this.comeCloser(cluster), this.map.box.focus());
      const more = count > MOST_LISTED && this.map.zoom < CLOSEST_ZOOM ? [_("Zoom in"), nearer] : [_("List"), () => this.list(cluster)];
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, name ?? place, name && make("span", { class: "quiet small" }, ` ${place}`)),
        make("td", {}, this.words.number(count)),
        make("td", {}, this.words.number(open)),
        make("td", {}, number ? this.link(number, number, { class: "target number" }) : this.button(more[0], more[1], { class: "plain", "aria-label": `${more[0]}: ${name ?? ""} ${place}` })),
      );
    }

    comeCloser(cluster) {
      const { west, south, east, north } = cluster.bbox;
      const { zoom } = this.map;
      if (zoom >= CLOSEST_ZOOM) return this.list(cluster);
      this.map.look([west, south, east, north]);
      // A box that fits already is looked at from closer by all the same.
      this.map.lookAt(...worldOf(cluster.long, cluster.lat), Math.max(zoom + 1, Math.min(this.map.zoom, zoom + 3)));
    }

    /** The requests of a cluster, one by one. */
    async list({ count, bbox: { west, south, east, north } }) {
      const { _, ngettext } = this.words;
      const edge = 1e-6;
      const bbox = [west - edge, south - edge, east + edge, north + edge].map((each) => each.toFixed(7)).join(",");
      await this.trying(
        async () => {
          const found = await this.ask("requests.json", [["bbox", bbox], ["page_size", MOST_LISTED], ...this.filters]);
          const headline = make("h3", { tabindex: -1 }, ngettext("%(num)s report at this place", "%(num)s reports at this place", count));
          const all = this.pageUrl("/map");
          for (const [name, value] of [["bbox", bbox], ...this.filters]) if (value) all.searchParams.set(name, value);
          const item = (each) => make("li", {}, this.link(each.service_request_id, `${each.service_name}, ${each.service_request_id}`, { class: "target" }), make("span", { class: "quiet small" }, ` ${this.words.day(each.requested_datetime)}`));
          const rest = found.length < count ? make("p", {}, make("a", { href: all.href, class: "target" }, _("List all of them"))) : "";
          this.listed.replaceChildren(headline, make("ul", { class: "choices" }, found.map(item)), rest);
          headline.focus();
        },
        (error) => this.failed(error, () => this.load()),
      );
    }
  }

  /* ---- <open311-track> ---- */

  class TrackElement extends Open311Element {
    static observedAttributes = ["endpoint", "jurisdiction", "lang", "number"];

    show() {
      const { _ } = this.words;
      const hint = _("It looks like K7M-4XQ-92R. Spaces, dashes and small letters do not matter.");
      this.input = make("input", { id: "number", maxlength: 100, autocomplete: "off", autocapitalize: "characters", spellcheck: "false", "aria-describedby": "hint" });
      this.input.value = this.getAttribute("number") ?? "";
      this.shown = make("div", { "aria-live": "polite" });
      this.root.append(
        make(
          "form",
          { class: "search", novalidate: true, submit: (event) => (event.preventDefault(), this.track(true)) },
          make("label", { for: "number" }, _("Number of the report")),
          make("p", { class: "hint", id: "hint" }, hint),
          make("div", { class: "together" }, this.input, make("button", { type: "submit", part: "button" }, _("Track"))),
        ),
        this.shown,
      );
      if (this.input.value) this.track(false);
    }

    async track(moves) {
      const { _ } = this.words;
      const number = this.input.value.replace(/[\s\u2010-\u2015]+/g, "");
      const turn = (this.looking = {});
      const wrong = (text) => {
        const summary = this.summary([[text, () => this.input.focus()]]);
        this.input.setAttribute("aria-invalid", "true");
        this.shown.replaceChildren(summary);
        if (moves) summary.focus();
      };
      if (!number) return wrong(_("Enter the number of the report."));
      await this.trying(
        async () => {
          const [request] = await this.ask(`requests/${encodeURIComponent(number)}.json`, [["extensions", "true"]]);
          if (turn !== this.looking) return;
          this.input.removeAttribute("aria-invalid");
          this.showRequest(request);
          if (moves) this.shown.querySelector("h2").focus();
        },
        (error) => turn === this.looking && wrong(error.status === 404 ? joined([_("We do not find this number"), _("Please compare it with the one you were given. It looks like K7M-4XQ-92R.")], ". ") : error.texts.join(" ")),
      );
    }

    /** Where it stands, in plain words. */
    standing({ status }, { detailed_status: detailed, status_name: name, phases }) {
      const { _ } = this.words;
      if (status !== "open") return _("The work on this report is over: %(status)s.", { status: name });
      if (detailed !== "open") return _("This report is being worked on: %(status)s.", { status: name });
      return phases.length ? _("This report is being worked on.") : _("We have this report, and it waits to be worked on.");
    }

    /** A note's summary in plainer words; names of statuses and phases are the city's own. */
    said({ summary, extended_attributes: of }) {
      const { _ } = this.words;
      const name = of?.service_name;
      const known = {
        "Request submitted": _("We received the report"),
        "Request opened": _("It was given to the department that answers for it"),
        "Request opened again": _("It was opened again"),
        [`${name} begins`]: _("%(name)s begins", { name }),
        [`${name} is done`]: _("%(name)s is done", { name }),
        [`${name} was left out`]: _("%(name)s was left out", { name }),
      };
      return known[summary] ?? summary;
    }

    showRequest(request) {
      const { _ } = this.words;
      const { service_request_id: number, status, expected_datetime: expected } = request;
      const about = request.extended_attributes;
      const isOpen = status === "open";
      const isLate = expected && new Date(expected) < new Date();
      const late = _("later than promised");
      const promised = expected ? this.words.day(expected) + (isLate ? ` (${late})` : "") : _("No date was promised");
      const facts = [
        [_("Who works on it"), request.agency_responsible ?? _("Not decided yet")],
        isOpen && [_("Expected to be done by"), promised],
        [_("Reported on"), this.words.dayAndTime(request.requested_datetime)],
        request.description && [_("What was written"), request.description],
      ].filter(Boolean);
      const note = (each) =>
        make(
          "li",
          {},
          make("strong", {}, this.said(each)),
          make("p", { class: "small quiet" }, make("time", { datetime: each.datetime }, this.words.dayAndTime(each.datetime))),
          ["activity", "closed"].includes(each.type) && each.description && make("p", { class: "kept" }, each.description),
        );
      // A photo that lies elsewhere would make the browser ask another website.
      const photos = about.files.filter((each) => each.thumbnail_url && webAddress(each.thumbnail_url)?.origin === new URL(this.endpoint).origin);
      this.shown.replaceChildren(
        make("p", { class: "quiet small" }, _("Report number"), " ", make("span", { class: "number" }, number)),
        make("h2", { tabindex: -1 }, request.service_name),
        request.address ? make("p", {}, request.address) : "",
        make("p", {}, make("strong", { class: `status ${isOpen ? "" : "closed"}`, part: "status" }, isOpen ? _("Open") : _("Closed"))),
        make("p", {}, this.standing(request, about)),
        request.status_notes ? make("p", { class: "note kept" }, request.status_notes) : "",
        make("dl", { class: "facts" }, facts.map(([label, text]) => make("div", {}, make("dt", {}, label), make("dd", { class: "kept" }, text)))),
        photos.length
          ? make("ul", { class: "photos" }, photos.map((each, at) => make("li", {}, make("img", { src: webAddress(each.thumbnail_url).href, crossorigin: "anonymous", loading: "lazy", alt: _("Photo %(number)s of the report", { number: at + 1 }) }))))
          : "",
        make("h3", {}, _("What happened so far")),
        make("ol", { class: "timeline" }, request.notes.map(note)),
        make("p", {}, this.link(number, _("All about this report"), { class: "target", part: "link" })),
      );
    }
  }

  /* ---- the look ---- */

  const LOOK = new CSSStyleSheet();
  LOOK.replaceSync(`
:host {
  --main: var(--open311-main, #0b4f85); --on-main: var(--open311-on-main, #fff); --link: var(--open311-link, var(--main));
  --page: var(--open311-page, #fff); --raised: var(--open311-raised, #f2f5f8); --ink: var(--open311-ink, #14202b);
  --quiet: var(--open311-quiet, #465462); --line: var(--open311-line, #76838f); --hairline: var(--open311-hairline, #cfd6dd);
  --wrong: var(--open311-wrong, #b3261e); --good: var(--open311-good, #14693a); --focus: var(--open311-focus, #ffbf47);
  --round: var(--open311-round, 4px); --water: #dde7ee;
  display: block; color: var(--ink); background: var(--page); color-scheme: light;
  font-family: var(--open311-font, inherit); line-height: 1.5; overflow-wrap: anywhere; text-align: start;
}
@media (prefers-color-scheme: dark) {
  :host(:not([theme="light"])) {
    --main: var(--open311-main, #9cccf5); --on-main: var(--open311-on-main, #0d1a26);
    --page: var(--open311-page, #11181f); --raised: var(--open311-raised, #1c262f); --ink: var(--open311-ink, #edf2f6);
    --quiet: var(--open311-quiet, #b7c2cc); --line: var(--open311-line, #8593a0); --hairline: var(--open311-hairline, #3a4752);
    --wrong: var(--open311-wrong, #ffb0a8); --good: var(--open311-good, #8fdcae); --water: #22303b;
    color-scheme: dark;
  }
}
:host([hidden]), [hidden] { display: none !important; }
.root {
  display: block; white-space: normal; text-indent: 0; text-transform: none; letter-spacing: normal; word-spacing: normal;
  -webkit-text-fill-color: currentcolor;
}
*, ::before, ::after { box-sizing: border-box; }
h2 { font-size: 1.4em; line-height: 1.25; margin: 0 0 .6em; }
h3 { font-size: 1.1em; line-height: 1.3; margin: 1em 0 .5em; }
p, ul, ol, dl, table { margin: 0 0 1em; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; box-shadow: 0 0 0 2px #14202b; border-radius: var(--round); }
h2:focus, h3:focus { outline: none; box-shadow: none; }
.small, .hint { font-size: .89em; }
.hint, .quiet { color: var(--quiet); }
.hint { margin: 0 0 .4em; }
.strong { font-weight: 600; margin-block: 1.4em .5em; }
label, legend { font-weight: 600; }
label { display: block; }
label .quiet, legend .quiet { font-weight: 400; }
.field, fieldset { margin: 0 0 1.4em; }
fieldset { border: 0; padding: 0; min-width: 0; }
legend { padding: 0; margin-block-end: .4em; }
input, select, textarea {
  font: inherit; color: inherit; background: var(--page); border: 2px solid var(--line); border-radius: var(--round);
  min-height: 44px; min-width: 0; padding: .25em .5em; width: 100%; max-width: 34em;
}
input.short { max-width: 18em; }
input[type="file"] { padding: .45em; }
input[type="radio"], input[type="checkbox"] { width: 24px; height: 24px; min-height: 0; flex: none; margin: 0; accent-color: var(--main); }
[aria-invalid="true"]:not(fieldset) { border: 3px solid var(--wrong); }
.choice { display: flex; gap: .75em; align-items: center; min-height: 44px; font-weight: 400; padding-block: .25em; line-height: 1.3; }
.together { display: flex; flex-wrap: wrap; gap: .5em; }
.together input { flex: 1 1 12em; width: auto; }
button {
  font: inherit; font-weight: 600; min-height: 44px; min-width: 44px; padding: .4em 1.4em; border: 2px solid var(--main);
  border-radius: var(--round); background: var(--main); color: var(--on-main); cursor: pointer;
}
button[aria-disabled] { cursor: progress; border-style: dashed; }
button.second { background: var(--page); color: var(--link); border-color: var(--line); }
button.plain { background: none; border: 0; color: var(--link); text-decoration: underline; text-underline-offset: .15em; padding-inline: 0; text-align: start; }
.buttons { display: flex; flex-wrap: wrap; gap: .75em; margin-block: 0 1em; }
form > .buttons { margin-block-start: 1.5em; }
.target { display: inline-flex; align-items: center; min-height: 44px; font-weight: 600; }
.search { background: var(--raised); padding: 1em; border-radius: var(--round); margin-block-end: 1.4em; }
.problems { border: 3px solid var(--wrong); border-radius: var(--round); padding: 1em; margin-block-end: 1.4em; }
.problems h3 { margin-block-start: 0; }
.problems ul { margin: 0; padding-inline-start: 1.25em; }
.problems a { display: block; padding-block: .3em; }
.problems a, .problem { color: var(--wrong); font-weight: 600; }
.problem { margin: 0 0 .4em; }
details > summary { cursor: pointer; min-height: 44px; padding-block: .6em; color: var(--link); }
details { border-block-end: 1px solid var(--hairline); margin-block-end: 1em; }
details details { margin-block: 0; padding-inline-start: 1em; }
.choices { list-style: none; padding: 0; margin: 0; }
.choices > li { border-block-start: 1px solid var(--hairline); padding-block: .4em; }
.choices p { margin: 0; }
.note { border-inline-start: 5px solid var(--line); background: var(--raised); padding: .75em 1em; margin-block-end: 1em; }
.note h3 { margin-block-start: 0; }
.note.urgent { border-color: var(--wrong); }
.panel { border: 2px solid var(--good); border-radius: var(--round); padding: 1.25em 1em; margin-block-end: 1em; }
.panel p { margin: 0; }
.panel .number { font-size: 1.5em; display: block; }
.number { font-family: ui-monospace, monospace; letter-spacing: .03em; }
.facts { border-block-start: 1px solid var(--hairline); }
.facts > div { border-block-end: 1px solid var(--hairline); padding-block: .5em; display: flex; flex-wrap: wrap; gap: 0 1em; align-items: baseline; }
.facts dt { font-weight: 600; flex: 1 1 11em; }
.facts dd { margin: 0; flex: 3 1 12em; }
.facts dd + dd { flex: 0 0 auto; }
.kept, dd { white-space: pre-line; }
.status { border: 2px solid currentColor; border-radius: 1em; padding: .1em .75em; }
.status.closed { color: var(--good); }
.timeline { padding-inline-start: 1.25em; }
.timeline p { margin: 0; }
.timeline li { margin-block-end: .5em; }
.photos { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .75em; }
.photos img { display: block; max-width: 100%; max-height: 14em; border-radius: var(--round); }
.scroll { overflow: auto; max-height: 24em; font-size: .89em; }
table { border-collapse: collapse; width: 100%; overflow-wrap: normal; }
th .quiet { display: block; }
th[scope="row"] { min-width: 7em; }
th, td { text-align: start; padding: .3em .5em .3em 0; border-block-end: 1px solid var(--hairline); vertical-align: middle; font-weight: 400; }
thead th { font-weight: 600; }
.frame { position: relative; margin-block-end: .5em; }
.map { height: var(--open311-map-height, 22em); overflow: hidden; background: var(--water); border: 1px solid var(--line); border-radius: var(--round); touch-action: none; cursor: grab; user-select: none; }
.map svg { display: block; width: 100%; height: 100%; }
.map path { fill: none; stroke: var(--quiet); vector-effect: non-scaling-stroke; }
.map .city { fill: var(--page); stroke: var(--ink); stroke-width: 2; }
.map .this { fill: var(--main); fill-opacity: .15; stroke: var(--main); stroke-width: 3; }
.map .pin { fill: var(--wrong); stroke: var(--page); stroke-width: 2; }
.map .cross { stroke: var(--ink); stroke-width: 2; display: none; }
.map:focus-visible .cross { display: block; }
.map text { font-size: 12px; text-anchor: middle; dominant-baseline: central; pointer-events: none; }
.names text { fill: var(--quiet); stroke: var(--page); stroke-width: 3px; paint-order: stroke; }
.spot { cursor: pointer; }
.spot circle { fill: var(--main); stroke: var(--page); stroke-width: 2; }
.spot.closed circle { fill: var(--page); stroke: var(--main); }
.spot text { fill: var(--on-main); font-weight: 700; }
.spot.closed text { fill: var(--main); }
.spot circle.around { fill: transparent; stroke: none; }
.zoom { position: absolute; inset-block-start: 8px; inset-inline-end: 8px; display: grid; gap: 6px; }
.zoom button { padding: 0; font-size: 1.4em; line-height: 1; }
@media (forced-colors: active) { .map path, .spot circle { stroke: CanvasText; } }
@media print { button, .zoom, form { display: none; } }
`);

  for (const [name, kind] of [["report", ReportElement], ["map", MapElement], ["track", TrackElement]])
    if (!customElements.get(`open311-${name}`)) customElements.define(`open311-${name}`, kind);
}
