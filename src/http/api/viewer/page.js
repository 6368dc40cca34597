// Shows the OpenAPI document. Everything that comes from it is set as text, never as HTML.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
let token = "";
let whole = {};

/** An element with these children; a text is a child too. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** What a reference names, or the thing itself. */
function found(thing) {
  if (!thing || !thing.$ref) return thing;
  return thing.$ref.slice(2).split("/").reduce((at, name) => (at ? at[name] : undefined), whole);
}

function ask(path, options = {}) {
  const headers = { ...options.headers, Authorization: `Bearer ${token}` };
  return fetch(`v1${path}`, { ...options, headers, cache: "no-store" });
}

/** A schema in few words; a named one leads to its table. */
function words(schema) {
  if (!schema) return "anything";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return make("a", { href: `#schema-${name}` }, name);
  }
  const choices = schema.oneOf || schema.anyOf;
  if (choices) {
    const list = make("span", {});
    choices.forEach((choice, index) => list.append(index ? " or " : "", words(choice)));
    return list;
  }
  if (schema.enum) return schema.enum.join(", ");
  if (schema.type === "array") return make("span", {}, "list of ", words(schema.items));
  const parts = [[schema.type || "anything"].flat().join(" or ")];
  if (schema.format) parts.push(schema.format);
  if (schema.pattern) parts.push(schema.pattern);
  if (schema.minimum !== undefined) parts.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) parts.push(`to ${schema.maximum}`);
  if (schema.minLength !== undefined) parts.push(`${schema.minLength} or more characters`);
  if (schema.maxLength !== undefined) parts.push(`at most ${schema.maxLength}`);
  if (schema.default !== undefined) parts.push(`default ${schema.default}`);
  return parts.join(", ");
}

function table(titles, rows) {
  const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell ?? ""))));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}

/** The schema of the first content of a request or an answer. */
function content(thing) {
  const [first] = Object.values((thing && thing.content) || {});
  return first ? first.schema : undefined;
}

function parameters(operation) {
  const rows = (operation.parameters || []).map(found).map((parameter) => [
    make("code", {}, parameter.name + (parameter.required ? " *" : "")),
    parameter.in,
    words(parameter.schema),
    parameter.description,
  ]);
  return rows.length ? table(["parameter", "in", "what", ""], rows) : null;
}

function answers(operation) {
  const rows = Object.entries(operation.responses || {}).map(([status, response]) => {
    const answer = found(response) || {};
    const schema = content(answer);
    return [status, schema ? words(schema) : "", answer.description];
  });
  return table(["answer", "body", ""], rows);
}

/** A form that sends the request. */
function trial(method, path, operation) {
  const known = (operation.parameters || []).map(found);
  const fields = known.map((parameter) => {
    const input = make("input", { placeholder: parameter.name, "aria-label": parameter.name });
    input.required = Boolean(parameter.required);
    return { parameter, input };
  });
  const body = operation.requestBody ? make("textarea", { "aria-label": "body", spellcheck: "false" }) : null;
  if (body) body.value = "{}";
  const told = make("p", { role: "status" });
  const shown = make("pre", { hidden: "" });
  const form = make("form", {}, ...fields.map((field) => field.input), body, make("button", {}, "Send"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let target = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value !== "") query.set(parameter.name, input.value);
    }
    if (query.size) target += `?${query}`;
    const options = { method: method.toUpperCase() };
    if (body) Object.assign(options, { body: body.value, headers: { "Content-Type": "application/json" } });
    try {
      const response = await ask(target, options);
      const text = await response.text();
      told.textContent = `${response.status} ${response.statusText}`;
      told.className = response.ok ? "good" : "bad";
      shown.hidden = !text;
      try { shown.textContent = JSON.stringify(JSON.parse(text), null, 2); } catch { shown.textContent = text; }
    } catch (error) {
      told.textContent = `no answer: ${error.message}`;
      told.className = "bad";
    }
  });
  return make("div", {}, form, told, shown);
}

function operation(method, path, of) {
  const title = make("summary", {}, make("b", {}, `${method.toUpperCase()} ${path}`), ` ${of.summary || ""}`);
  const body = content(found(of.requestBody));
  return make("details", { id: of.operationId || `${method}-${path}` },
    title,
    of.description ? make("p", {}, of.description) : null,
    parameters(of),
    body ? make("p", {}, "Body: ", words(body)) : null,
    answers(of),
    trial(method, path, of));
}

function schema(name, of) {
  const required = new Set(of.required || []);
  const rows = Object.entries(of.properties || {}).map(([field, value]) => [
    make("code", {}, field + (required.has(field) ? " *" : "")),
    words(value),
    value.description || (found(value) || {}).description,
  ]);
  return make("details", { id: `schema-${name}` },
    make("summary", {}, make("b", {}, name), ` ${of.description || ""}`),
    rows.length ? table(["field", "what", ""], rows) : make("p", {}, words(of)));
}

function show() {
  const page = document.getElementById("document");
  page.replaceChildren(make("p", {}, `${whole.info.title} ${whole.info.version}`), make("p", {}, whole.info.description || ""));
  const byTag = new Map();
  for (const [path, item] of Object.entries(whole.paths || {})) {
    for (const method of METHODS.filter((method) => item[method])) {
      const [tag] = item[method].tags || ["other"];
      byTag.set(tag, [...(byTag.get(tag) || []), operation(method, path, item[method])]);
    }
  }
  for (const [tag, operations] of byTag) page.append(make("h2", {}, tag), ...operations);
  page.append(make("h2", {}, "schemas"));
  for (const [name, of] of Object.entries((whole.components || {}).schemas || {})) page.append(schema(name, of));
}

// A link to a schema opens it.
addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && "open" in target) target.open = true;
});

document.getElementById("door").addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = document.getElementById("told");
  token = document.getElementById("token").value.trim();
  try {
    const response = await ask("/openapi.json");
    if (!response.ok) throw new Error(response.status === 401 ? "the token is not valid" : `HTTP ${response.status}`);
    whole = await response.json();
    told.textContent = "";
    show();
  } catch (error) {
    told.textContent = error.message;
    told.className = "bad";
  }
});
