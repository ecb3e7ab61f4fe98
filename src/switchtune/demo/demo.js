"use strict";
const { token, longest, pairs } = JSON.parse(document.getElementById("about").textContent);
const part = id => document.getElementById(id);

function made(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

async function answered(question, content, signal) {
  const body = JSON.stringify({ pair: chosenPair().name, ...content });
  const headers = { "Content-Type": "application/json", "X-Switchtune-Token": token };
  let response;
  while ((response = await fetch(`/api/${question}`, { method: "POST", headers, body, signal })).status === 503)
    await new Promise(again => setTimeout(again, 1000 * response.headers.get("Retry-After")));
  if (!response.ok) throw new Error((await response.json()).error);
  return response;
}

const ask = async (question, content) => (await answered(question, content)).json();

// Answers that come one by one, each a line of JSON.
async function* askForLines(question, content, signal) {
  const reader = (await answered(question, content, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part; !(part = await reader.read()).done;) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const found of lines.map(line => JSON.parse(line))) {
      signal.throwIfAborted();
      if (found.error) throw new Error(found.error);
      yield found;
    }
  }
}

const chosenPair = () => pairs[part("pair").selectedIndex];
const said = error => error instanceof TypeError ? "The server does not answer; is `switchtune demo` still running?" : error.message;

function tell(id, text, wrong = false) {
  part(id).textContent = text;
  part(id).classList.toggle("error", wrong);
}

// Have a field's problem, or none, be told beside it, and nothing be sent while there is one.
function refuse(field, id, problem) {
  tell(id, problem, true);
  part(field).setCustomValidity(problem);
}

// What is typed

let draw = 1, running = new AbortController(), detection = 0, typing = 0;

const tag = code => code.replaceAll("_", "-");
const otherThan = code => chosenPair().languages.find(each => each.code !== code).code;

// A word of a language, which does not move what stands beside it.
const word = (text, code) => made("bdi", { textContent: text, lang: tag(code) });

function between(items, separator) {
  return items.flatMap((item, place) => place ? [separator, item] : [item]);
}

const links = (translations, measure, code) => between(translations.map(each => made("span", {}, word(each.word, code),
  ...(measure === "none" ? [] : [" ", made("small", { textContent: each.strength.toFixed(2) })]))), ", ");

function showSwitched(found, code) {
  const other = otherThan(code);
  const known = new Map(), unknown = new Set();
  for (const each of found.lines.flatMap(line => line.words)) {
    if (!each.candidates.length) unknown.add(each.word);
    else if (!known.has(each.word)) known.set(each.word, { ...each, became: new Set() });
    if (each.replacement !== null) known.get(each.word).became.add(each.replacement);
  }
  part("switched").replaceChildren(...found.lines.map(line => made("p", { lang: tag(code), dir: line.direction },
    ...line.words.flatMap(({ gap, word, replacement }) => replacement === null ? [gap, word] :
      [gap, made("del", { textContent: word }), " ", made("ins", { textContent: replacement, lang: tag(other) })]), line.end)));
  const listed = (words, language) => between([...words].map(each => word(each, language)), ", ");
  part("candidates").replaceChildren(...[...known.values()].map(each => made("tr", {},
    made("th", { scope: "row", lang: tag(code) }, word(each.word, code)),
    made("td", {}, ...(each.became.size ? listed(each.became, other) : ["–"])),
    made("td", {}, ...links(each.candidates, found.measure, other)))));
  part("unknown").replaceChildren(...(unknown.size ? ["Not in the lexicon: ", ...listed(unknown, code)] : []));
  const measures = { probability: "with their probability", similarity: "with their similarity", none: "without strength" };
  part("candidates-caption").textContent =
    `The lexicon has ${known.size} of ${known.size + unknown.size} words; what each could become, ${measures[found.measure]}`;
}

const termSides = () => part("terms").value.split("\n").filter(line => line.trim())
  .map(line => line.split(/[=\t]/).map(side => side.trim()));
const terms = () => termSides().map(([term, translation]) => ({ term, translation }));
const inTerms = text => ({ text, terms: terms(), constrained: part("constrained").checked });

// A line that a model made, with what it was given where that is not what was typed, and what it did not read.
function madeLine({ text, parts, direction, given, cut }, code) {
  const shown = parts ? parts.map(each => each.term ? made("mark", { textContent: each.text }) : each.text) : [text];
  const lines = [made("p", { lang: tag(code), dir: direction }, ...shown)];
  if (given) lines.push(made("p", { className: "note" }, "It was given: ", made("bdi", { textContent: given })));
  if (cut)
    lines.push(made("details", { className: "note" },
      made("summary", { textContent: `Too long for the model: it did not read the last ${[...cut].length.toLocaleString("en")} characters` }),
      made("p", { textContent: cut, dir: "auto" })));
  return lines;
}

async function showRestored(content, signal) {
  for await (const line of askForLines("restore", content, signal))
    part("restored").append(...madeLine(line, content.language));
}

async function showTranslated(content, signal) {
  const outputs = new Map(), target = chosenPair().languages[1].code;
  for await (const { arm, ...line } of askForLines("translate", content, signal)) {
    if (!outputs.has(arm)) {
      outputs.set(arm, made("div", { className: "output" }));
      part("translated").append(made("div", {}, made("h4", { textContent: arm }), outputs.get(arm)));
    }
    if (line.text === null) outputs.get(arm).textContent = "There is no model.";
    else outputs.get(arm).append(...madeLine(line, target));
  }
}

// The language that is chosen, or that of the text where it is to be detected.
async function language() {
  const number = ++detection, text = part("text").value, [source] = chosenPair().languages;
  if (part("language").value || !text.trim()) {
    tell("detected", "");
    return part("language").value || source.code;
  }
  const found = await ask("detect", { text });
  if (number === detection)
    tell("detected", found.of_pair ? `${found.name} is detected.` : found.language
      ? `This looks like ${found.name}, which is not of this pair; it is taken for ${source.name}.`
      : `The language cannot be detected; it is taken for ${source.name}.`);
  return found.of_pair ? found.language : source.code;
}

async function process() {
  clearTimeout(typing);
  running.abort();
  running = new AbortController();
  const { signal } = running, [source] = chosenPair().languages;
  const attempt = async (id, what, work) => {
    if (signal.aborted) return null;
    tell("status", what);
    try {
      return await work();
    } catch (error) {
      if (!signal.aborted) part(id).append(made("p", { className: "error", textContent: said(error) }));
      return null;
    }
  };
  part("result").hidden = false;
  for (const id of ["switched", "candidates", "candidates-caption", "unknown", "restored", "translated"]) part(id).replaceChildren();
  const text = part("text").value, code = await attempt("switched", "Detecting the language …", language);
  const asked = { language: code, text, rate: part("rate").valueAsNumber, draw };
  const switched = code && await attempt("switched", "Switching …", () => ask("switch", asked));
  if (switched && !signal.aborted) {
    showSwitched(switched, code);
    const lines = switched.lines.map(line => line.text).join("\n");
    await attempt("restored", "Restoring …", () => showRestored({ language: code, text: lines }, signal));
  }
  if (signal.aborted || !code) return;
  if (code !== source.code) part("translated").textContent = `The systems read ${source.name}.`;
  else await attempt("translated", "Asking the systems …", () => showTranslated(inTerms(text), signal));
  if (!signal.aborted) tell("status", "Done.");
}

part("sentence").addEventListener("submit", event => { event.preventDefault(); process(); });
part("sentence").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) part("sentence").requestSubmit();
});
part("text").addEventListener("input", () => {
  const more = [...part("text").value].length - longest;
  const problem = more > 0 ? `${more.toLocaleString("en")} characters too many; shorten it, nothing is cut unasked.` : "";
  refuse("text", "too-long", problem);
  clearTimeout(typing);
  if (!problem) typing = setTimeout(() => language().catch(() => {}), 400);
});
part("language").addEventListener("change", () => { showExample(); language().catch(() => {}); });
part("terms").addEventListener("input", () => {
  const wrong = termSides().find(sides => sides.length !== 2 || !sides.every(Boolean));
  refuse("terms", "terms-problem", wrong ? `“${wrong.join(" = ")}” is not a term and its translation, as in Hund = dog.` : "");
});
for (const id of ["terms", "constrained"])
  part(id).addEventListener("change", () => { if (part("text").value) part("sentence").requestSubmit(); });
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
    const code = part("direction").value, other = otherThan(code);
    part("entries").replaceChildren(...found.entries.map(entry => {
      const button = made("button", { type: "button", textContent: "Edit" });
      button.setAttribute("aria-label", `Edit ${entry.word}`);
      button.addEventListener("click", () => openEditor(entry));
      return made("tr", {}, made("th", { scope: "row", lang: tag(code) }, word(entry.word, code)),
        made("td", { className: "n", textContent: entry.count || "–" }),
        made("td", {}, ...links(entry.translations, found.measure, other)), made("td", {}, button));
    }));
    pageSize = found.page;
  } catch (error) {
    if (number === asked) tell("found", said(error), true);
  }
}

let pageSize = 0;
const fileOf = () => chosenPair().files[part("direction").selectedIndex] ?? "the lexicon";

function translationRow(word = "", strength = 1) {
  const text = made("input", { value: word, maxLength: 100, dir: "auto" });
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

// An example stands in the field until something is typed.
function showExample() {
  const examples = pairs.flatMap(pair => pair.languages.map(each => each.example)), [source, target] = chosenPair().languages;
  if (["", ...examples].includes(part("text").value))
    part("text").value = (part("language").value === target.code ? target : source).example;
}

function choosePair() {
  const pair = chosenPair(), options = () => pair.languages.map(each => made("option", { value: each.code, textContent: each.name }));
  part("missing").replaceChildren(...pair.missing.map(text => made("li", { textContent: text })));
  part("language").replaceChildren(made("option", { value: "", textContent: "Detect" }), ...options());
  part("direction").replaceChildren(...options());
  part("rate").value = pair.rate;
  part("rate").dispatchEvent(new Event("input"));
  part("result").hidden = true;
  running.abort();  // what it was to answer is of the former pair
  detection += 1;
  tell("detected", "");
  tell("status", "");
  showExample();
  start = 0;
  showEntries();
}

part("pair").replaceChildren(...pairs.map(pair => made("option", { textContent: pair.languages.map(each => each.name).join(" → ") })));
part("pair-field").hidden = pairs.length === 1;
part("pair").addEventListener("change", choosePair);
choosePair();
