// A customer's whole life, by a client whose types come from the OpenAPI document.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

declare const process: { argv: string[] };
const [address, login, password] = process.argv.slice(2);
const client = createClient<paths>({
  baseUrl: `${address}/wp-json/fluent-cart/v2`,
  headers: { Authorization: `Basic ${btoa(`${login}:${password}`)}` },
});
const CUSTOMERS = "/customers";
const ONE = `${CUSTOMERS}/{customerId}` as const;

// Of a success everything is typed, down to the last field.
function data<T>(answer: { data?: { success: true; data: T } }): T {
  if (!answer.data) throw new Error(JSON.stringify(answer));
  return answer.data.data;
}

const { customer } = data(await client.POST(CUSTOMERS, { body: { email: "typed@example.com", first_name: "Ty" } }));
const params = { path: { customerId: customer.id } };

const { address: home } = data(
  await client.POST(`${ONE}/address`, {
    params,
    body: { address_1: "1 Main St", city: "Berlin", country: "DE" },
  }),
);
await client.POST(`${ONE}/address/make-primary`, { params, body: { address_id: home.id } });
const { users } = data(await client.GET(`${CUSTOMERS}/attachable-user`));
data(await client.POST(`${ONE}/attachable-user`, { params, body: { user_id: users[0].id } }));

const detail = data(await client.GET(ONE, { params })).customer;
const found = data(
  await client.GET(CUSTOMERS, { params: { query: { search: "typed", filters: { status: "active" } } } }),
);
const exported = data(
  await client.POST(`${CUSTOMERS}/do-bulk-action`, { body: { action: "export", customer_ids: [customer.id] } }),
);
data(await client.POST(`${CUSTOMERS}/do-bulk-action`, { body: { action: "delete", customer_ids: [customer.id] } }));
const { error } = await client.GET(ONE, { params });

console.log(
  JSON.stringify({
    email: detail.email,
    city: detail.addresses[0].city,
    user_id: detail.user_id,
    found: found.customers.map((each) => each.id === customer.id),
    exported: Array.isArray(exported.export) && exported.export[0].email,
    gone: error?.error.code,
  }),
);
