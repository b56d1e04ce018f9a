// What every public page does a little better with scripts; each works without.
"use strict";

(() => {
  const spoken = document.documentElement.lang || "en";
  // As the server writes numbers.
  const locale = spoken === "es" ? "es-US" : spoken;
  // As gettext counts the forms of a text; browsers name a language's own in an order of theirs.
  const FORMS = ["zero", "one", "two", "few", "many", "other"];
  const formOf = (language, num) => {
    const rules = new Intl.PluralRules(language);
    const { pluralCategories } = rules.resolvedOptions();
    return FORMS.filter((each) => pluralCategories.includes(each)).indexOf(rules.select(num));
  };
  // Marks a text as one to be translated, where it is said.
  const _ = (text) => text;
  const TWICE_MILLISECONDS = 5000;
  const TEXTS_MILLISECONDS = 3000;
  let known = {};

  const fill = (text, said) => text.replace(/%\((\w+)\)s/g, (all, name) => (name in said ? String(said[name]) : all));

  window.open311 = {
    language: spoken,
    // The texts of the page's language; resolves also when they cannot be had: then English is said.
    ready: spoken === "en"
      ? Promise.resolve()
      : fetch(`/texts.json?lang=${encodeURIComponent(spoken)}`, { signal: AbortSignal.timeout?.(TEXTS_MILLISECONDS) })
          .then((answer) => answer.json())
          .then((texts) => { known = texts; })
          .catch(() => {}),
    say: (text, said = {}) => fill(known[text] || text, said),
    count: (one, many, num) => {
      const [forms, language] = known[one] ? [known[one], spoken] : [[one, many], "en"];
      const form = forms[Math.min(formOf(language, num), forms.length - 1)];
      return fill(form, { num: window.open311.number(num) });
    },
    number: (value) => value.toLocaleString(locale),
  };

  // Pressing twice is pressing once; who comes back by the browser's history may press again.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    // The server makes it one in any case; a press after a stop must count.
    if (Date.now() - Number(form.dataset.sent ?? 0) < TWICE_MILLISECONDS) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = Date.now();
    setTimeout(() => form.setAttribute("aria-busy", "true"), 0);
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) {
      delete form.dataset.sent;
      form.removeAttribute("aria-busy");
    }
  });

  const todo = {
    print: () => window.print(),
    share: (button) => {
      const address = location.href;
      if (navigator.share) return navigator.share({ title: document.title, url: address }).catch(() => {});
      return navigator.clipboard.writeText(address).then(() => {
        button.textContent = window.open311.say(_("The address is copied"));
      });
    },
  };
  for (const [name, run] of Object.entries(todo)) {
    for (const button of document.querySelectorAll(`[data-do="${name}"]`)) {
      if (name === "share" && !navigator.share && !navigator.clipboard) continue;
      button.hidden = false;
      button.addEventListener("click", () => run(button));
    }
  }

  // What is too large would not arrive: better said before it is sent.
  for (const input of document.querySelectorAll("[data-most-bytes]")) {
    const isTooLarge = () => [...input.files].reduce((sum, file) => sum + file.size, 0) > Number(input.dataset.mostBytes);
    const told = Object.assign(document.createElement("p"), { className: "problem", id: `${input.id}-too-large` });
    told.setAttribute("role", "alert");
    input.before(told);
    const described = input.getAttribute("aria-describedby") ?? "";
    const check = () => {
      const isWrong = isTooLarge();
      told.textContent = isWrong ? input.dataset.tooLarge : "";
      input.setAttribute("aria-describedby", isWrong ? `${described} ${told.id}` : described);
      if (isWrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      return !isWrong;
    };
    input.addEventListener("change", check);
    input.form.addEventListener("submit", (event) => {
      if (check()) return;
      event.preventDefault();
      input.focus();
    }, { capture: true });
  }

  document.querySelector(".problems")?.focus();
})();
