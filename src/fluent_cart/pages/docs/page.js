// Draws the OpenAPI document in place of the page's own text. The samples of the document name the contract's server;
// here they name this one, so that they can be copied and run as they are.
const here = location.origin + location.pathname.replace(/\/(docs)?$/, "");
const [content, nonce] = await Promise.all([readDocument(), readNonce()]);
showAccount(nonce);

const place = document.querySelector(".columns");
// Empty, because the viewer would take the text for its own.
place.replaceChildren();
place.className = "";
place.id = "reference";
Scalar.createApiReference(place, {
  content,
  authentication: nonce
    ? {
        preferredSecurityScheme: [["SessionCookie", "Nonce"]],
        securitySchemes: { Nonce: { value: nonce } },
      }
    : { preferredSecurityScheme: "ApplicationPassword" },
  hiddenClients: true,
  operationTitleSource: "summary",
  defaultOpenAllTags: true,
  orderRequiredPropertiesFirst: false,
  orderSchemaPropertiesBy: "preserve",
  // Each operation shows its own parameters and responses.
  hideModels: true,
  // The page sends requests to this server only.
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: "",
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
});

async function readDocument() {
  const response = await fetch("openapi.json");
  return (await response.text()).replaceAll("https://yoursite.com", here);
}

// The nonce of the user who has signed in by the form, or nothing.
async function readNonce() {
  const response = await fetch("wp-admin/admin-ajax.php?action=rest-nonce");
  return response.ok ? response.text() : "";
}

function showAccount(nonce) {
  const account = document.getElementById("account");
  const link = nonce ? account.parentNode.appendChild(document.createElement("a")) : account;
  link.href = nonce ? `wp-login.php?action=logout&_wpnonce=${nonce}` : "wp-login.php?redirect_to=/docs";
  link.textContent = nonce ? "Sign out" : "Sign in";
}

// Elements of the viewer without a name, or that a keyboard cannot reach. The viewer draws an operation when the
// operation comes into view.
const FIXES = [
  // The link to skip the bar leads here.
  ["#reference main", { id: "text", tabindex: "-1" }],
  [".scalar-code-copy, button[class*=copy-button]", { "aria-label": "Copy" }],
  // The attribute names a hint that is not always on the page.
  ["button[class*=copy-button][aria-controls]", { "aria-controls": null }],
  ["[data-placeholder=janedoe][role=combobox]", { "aria-label": "Username", role: "textbox" }],
  ["code.hljs, ul.endpoints, .markdown table, .cm-scroller", { tabindex: "0" }],
  // A field with suggestions must state whether the suggestions are shown.
  ["[role=combobox][aria-controls]:not([aria-expanded])", { "aria-expanded": "true" }],
  ["[role=combobox]:not([aria-expanded])", { "aria-expanded": "false" }],
  ["button[role=none]", { role: "button" }],
  [".cm-content[role=textbox]:not([aria-label])", { "aria-label": "Body" }],
];

function fix() {
  for (const [selector, attributes] of FIXES) {
    for (const element of document.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(attributes)) {
        if (value === null) element.removeAttribute(name);
        else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
      }
    }
  }
}

new MutationObserver(fix).observe(document.body, { childList: true, subtree: true });
fix();
