"use strict";
const { token, pairs } = JSON.parse(document.getElementById("about").textContent);
const part = id => document.getElementById(id);

function made(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

async function ask(question, content) {
  const body = JSON.stringify({ pair: chosenPair().name, ...content });
  const headers = { "Content-Type": "application/json", "X-Switchtune-Token": token };
  let response;
  while ((response = await fetch(`/api/${question}`, { method: "POST", headers, body })).status === 503)
    await new Promise(again => setTimeout(again, 1000 * response.headers.get("Retry-After")));
  const found = await response.json();
  if (!response.ok) throw new Error(found.error);
  return found;
}

const chosenPair = () => pairs[part("pair").selectedIndex];
const said = error => error instanceof TypeError ? "The server does not answer; is `switchtune demo` still running?" : error.message;

function tell(id, text, wrong = false) {
  part(id).textContent = text;
  part(id).classList.toggle("error", wrong);
}

// A sentence

let draw = 1, latest = 0;

function showSwitched(found) {
  const text = part("switched"), rows = part("candidates");
  text.replaceChildren();
  rows.replaceChildren();
  for (const { gap, word, replacement, candidates } of found.words) {
    text.append(gap);
    if (replacement === null) text.append(word);
    else text.append(made("del", { textContent: word }), " ", made("ins", { textContent: replacement }));
    const could = candidates.map(each => each.word + (found.measure === "none" ? "" : ` ${each.strength.toFixed(2)}`));
    rows.append(made("tr", {},
      made("th", { scope: "row", textContent: word }),
      made("td", { textContent: replacement ?? "–" }),
      made("td", { textContent: could.join(", ") || "not in the lexicon" })));
  }
  text.append(found.end);
  const measures = { probability: "with their probability", similarity: "with their similarity", none: "without strength" };
  part("candidates-caption").textContent = `What each word could become, ${measures[found.measure]}`;
}

function terms() {
  const pairs = part("terms").value.split("\n").map(line => line.split(/[=\t]/).map(side => side.trim()));
  return pairs.filter(pair => pair.length === 2 && pair.every(Boolean)).map(([term, translation]) => ({ term, translation }));
}

const withTerms = parts => parts.map(each => each.term ? made("mark", { textContent: each.text }) : each.text);

async function process() {
  const number = ++latest, content = { language: part("language").value, text: part("text").value };
  const current = () => number === latest;
  const attempt = async (id, what, work) => {
    if (!current()) return null;
    tell("status", what);
    try {
      return await work();
    } catch (error) {
      if (current()) part(id).replaceChildren(made("span", { className: "error", textContent: said(error) }));
      return null;
    }
  };
  part("result").hidden = false;
  for (const id of ["switched", "candidates", "restored", "translated"]) part(id).replaceChildren();
  const switched = await attempt("switched", "Switching …",
    () => ask("switch", { ...content, rate: part("rate").valueAsNumber, draw }));
  if (switched && current()) {
    showSwitched(switched);
    const restored = await attempt("restored", "Restoring …",
      () => ask("restore", { language: content.language, text: switched.text }));
    if (restored && current()) part("restored").textContent = restored.text;
  }
  const source = chosenPair().languages[0];
  if (content.language !== source.code) {
    if (current()) part("translated").textContent = `The systems read ${source.name}.`;
  } else {
    const translated = await attempt("translated", "Asking the systems …", () => ask("translate", { text: content.text, terms: terms() }));
    if (translated && current()) {
      part("translated").replaceChildren(...translated.outputs.map(({ arm, parts, source }) => made("div", {},
        made("h4", { textContent: arm }),
        made("p", { className: "output" }, ...(parts ? withTerms(parts) : ["There is no model."])),
        ...(source && source !== content.text ? [made("p", { className: "note", textContent: `It was given: ${source}` })] : []))));
    }
  }
  if (current()) tell("status", "Done.");
}

part("sentence").addEventListener("submit", event => { event.preventDefault(); process(); });
part("terms").addEventListener("change", () => { if (part("text").value) part("sentence").requestSubmit(); });
part("again").addEventListener("click", () => { draw += 1; part("sentence").requestSubmit(); });
part("rate").addEventListener("input", () => { part("rate-shown").textContent = `${Math.round(100 * part("rate").valueAsNumber)} %`; });

// The lexicon

let start = 0, asked = 0;

async function showEntries() {
  const number = ++asked;
  try {
    const found = await ask("entries", { language: part("direction").value, query: part("query").value, start });
    if (number !== asked) return;
    const end = start + found.entries.length, number_of = value => value.toLocaleString("en");
    tell("found", found.found ? `${number_of(start + 1)} to ${number_of(end)} of ${number_of(found.found)} entries` : "No entries.");
    part("entries-caption").textContent = `Entries of ${fileOf()} (${number_of(found.all)} in all)`;
    part("before").disabled = start === 0;
    part("after").disabled = end >= found.found;
    part("entries").replaceChildren(...found.entries.map(entry => {
      const links = entry.translations.map(each => each.word + (found.measure === "none" ? "" : ` ${each.strength.toFixed(2)}`));
      const button = made("button", { type: "button", textContent: "Edit" });
      button.setAttribute("aria-label", `Edit ${entry.word}`);
      button.addEventListener("click", () => openEditor(entry));
      return made("tr", {}, made("th", { scope: "row", textContent: entry.word }),
        made("td", { className: "n", textContent: entry.count || "–" }),
        made("td", { textContent: links.join(", ") }), made("td", {}, button));
    }));
    pageSize = found.page;
  } catch (error) {
    if (number === asked) tell("found", said(error), true);
  }
}

let pageSize = 0;
const fileOf = () => chosenPair().files[part("direction").selectedIndex] ?? "the lexicon";

function translationRow(word = "", strength = 1) {
  const text = made("input", { value: word, maxLength: 100 });
  text.setAttribute("aria-label", "Translation");
  const number = made("input", { type: "number", step: "any", value: strength });
  number.setAttribute("aria-label", "Strength");
  const remove = made("button", { type: "button", textContent: "Remove" });
  const row = made("div", { className: "translation" }, text, number, remove);
  remove.addEventListener("click", () => row.remove());
  return row;
}

function openEditor(entry) {
  part("editor-title").textContent = entry ? `Entry ${entry.word}` : "New entry";
  part("word").value = entry?.word ?? "";
  part("word").readOnly = Boolean(entry);
  part("remove").hidden = !entry;
  part("translations").replaceChildren(...(entry?.translations ?? [{}]).map(each => translationRow(each.word, each.strength)));
  tell("editor-status", "");
  part("editor").showModal();
}

async function save(translations) {
  try {
    const saved = await ask("edit", { language: part("direction").value, word: part("word").value.trim(), translations });
    part("editor").close();
    await showEntries();
    tell("found", `Saved in ${saved.file}; the lexicon has ${saved.all.toLocaleString("en")} entries.`);
  } catch (error) {
    tell("editor-status", said(error), true);
  }
}

part("editor-form").addEventListener("submit", event => {
  event.preventDefault();
  const translations = [...part("translations").children].map(row => {
    const [text, number] = row.querySelectorAll("input");
    return { word: text.value.trim(), strength: number.valueAsNumber };
  }).filter(each => each.word);
  if (!translations.length) tell("editor-status", "An entry needs a translation; “Remove the entry” takes it out.", true);
  else if (translations.some(each => Number.isNaN(each.strength))) tell("editor-status", "Each strength is to be a number.", true);
  else save(translations);
});
part("more").addEventListener("click", () => part("translations").append(translationRow()));
part("remove").addEventListener("click", () => save([]));
part("cancel").addEventListener("click", () => part("editor").close());
part("add").addEventListener("click", () => openEditor(null));
part("query").addEventListener("input", () => { start = 0; showEntries(); });
part("direction").addEventListener("change", () => { start = 0; showEntries(); });
part("before").addEventListener("click", () => { start = Math.max(0, start - pageSize); showEntries(); });
part("after").addEventListener("click", () => { start += pageSize; showEntries(); });

// The pair

function choosePair() {
  const pair = chosenPair(), options = () => pair.languages.map(each => made("option", { value: each.code, textContent: each.name }));
  part("missing").replaceChildren(...pair.missing.map(text => made("li", { textContent: text })));
  part("language").replaceChildren(...options());
  part("direction").replaceChildren(...options());
  part("rate").value = pair.rate;
  part("rate").dispatchEvent(new Event("input"));
  part("result").hidden = true;
  start = 0;
  showEntries();
}

part("pair").replaceChildren(...pairs.map(pair => made("option", { textContent: pair.languages.map(each => each.name).join(" → ") })));
part("pair-field").hidden = pairs.length === 1;
part("pair").addEventListener("change", choosePair);
choosePair();
