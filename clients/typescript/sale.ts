// A whole sale through a generated client: an operator makes it, two shoppers join and buy, a third comes too late.
// `make clients` generates schema.ts from openapi.json, compiles this file and runs it against a gateway of its own.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

const baseUrl = process.env.ROPELINE_URL;
const key = process.env.ROPELINE_KEY;
assert(baseUrl && key, "ROPELINE_URL and ROPELINE_KEY are needed");

/** A client that proves itself with an API key or a ticket's credential. */
const client = (bearer?: string) =>
  createClient<paths>({ baseUrl, headers: bearer ? { Authorization: `Bearer ${bearer}` } : {} });

/** What a call answered; a problem becomes an error. */
async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (data === undefined) throw new Error(`${response.url}: ${response.status} ${JSON.stringify(error)}`);
  return data;
}

type Ticket = components["schemas"]["TicketState"];

/** Polls as often as the gateway asks for, until the ticket is admitted. */
async function admitted(sale: string, ticket: string, shopper: ReturnType<typeof client>): Promise<Ticket> {
  for (;;) {
    const params = { path: { sale, ticket } };
    const state = await answer(shopper.GET("/api/v1/sales/{sale}/tickets/{ticket}", { params }));
    if (state.state === "admitted") return state;
    assert.equal(state.state, "waiting");
    await sleep((state.next_poll_seconds ?? 1) * 1000);
  }
}

const operator = client(key);
const made = await answer(
  operator.POST("/api/v1/admin/sales", {
    body: { slug: "typescript", name: "From TypeScript", checkout: "builtin", admit_interval_ms: 100 },
  }),
);
const params = { path: { sale: made.id } };
await answer(operator.POST("/api/v1/admin/sales/{sale}/tokens", { params, body: { count: 2 } }));
await answer(operator.POST("/api/v1/admin/sales/{sale}/open", { params }));

for (const reference of ["pi_1", "pi_2"]) {
  const joined = await answer(client().POST("/api/v1/sales/{sale}/tickets", { params }));
  const shopper = client(joined.credential);
  const { hold } = await admitted(made.id, joined.ticket, shopper);
  assert(hold);
  const bought = await answer(
    shopper.POST("/api/v1/holds/{hold}/confirm", {
      params: { path: { hold: hold.id } },
      body: { payment_reference: reference },
    }),
  );
  assert.equal(bought.state, "confirmed");
  assert.equal(bought.order?.payment_reference, reference);
}

// Every unit is sold: the next shopper is told so in a problem.
const late = await client().POST("/api/v1/sales/{sale}/tickets", { params });
assert.equal(late.error?.code, "sold-out");

await answer(operator.POST("/api/v1/admin/sales/{sale}/close", { params, body: {} }));
const books = await answer(operator.GET("/api/v1/admin/sales/{sale}/reconciliation", { params }));
assert(books.consistent, JSON.stringify(books.checks));
console.log("TypeScript: 2 units sold, reconciliation consistent");
