// Draws the OpenAPI document. Its samples name the contract's server; here they name this one, so that they can be
// copied and run as they are.
const here = location.origin + location.pathname.replace(/\/(docs)?$/, "");
const response = await fetch(`${here}/openapi.json`);
const content = (await response.text()).replaceAll("https://yoursite.com", here);

Scalar.createApiReference("#reference", {
  content,
  authentication: { preferredSecurityScheme: "ApplicationPassword" },
  hiddenClients: true,
  operationTitleSource: "summary",
  defaultOpenAllTags: true,
  orderRequiredPropertiesFirst: false,
  orderSchemaPropertiesBy: "preserve",
  // Each operation shows what it takes and answers.
  hideModels: true,
  // Nothing is asked of anybody but this server.
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: "",
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
});

// What the viewer leaves without a name or out of the keyboard's reach; it draws operations as they come into view.
const MENDS = [
  [".scalar-code-copy", { "aria-label": "Copy" }],
  ["[data-placeholder=janedoe][role=combobox]", { "aria-label": "Username", role: "textbox" }],
  ["code.hljs, ul.endpoints", { tabindex: "0" }],
];

function mend() {
  for (const [selector, attributes] of MENDS) {
    for (const element of document.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(attributes)) {
        if (element.getAttribute(name) !== value) element.setAttribute(name, value);
      }
    }
  }
}

new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
mend();
