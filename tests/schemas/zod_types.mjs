// Writes the JSON Schemas of 30 types that zod emits, with instances that zod accepts.
//
//     node zod_types.mjs > crates/engine/tests/fixtures/schemas/zod.json
//
// Needs `npm install zod` (4 or newer). Each instance is checked by zod before it is written.

import { z } from "zod";

const address = z.object({ street: z.string(), zip: z.string().regex(/^\d{5}$/) });
const category = z.object({ name: z.string(), get children() { return z.array(category); } });

// Name, type, valid instances, invalid instances.
const types = [
  ["a string", z.string(), ["a"], [1]],
  ["a bounded string", z.string().min(1).max(3), ["a", "abc"], ["", "abcd"]],
  ["an e-mail address", z.email(), ["a.b@example.com"], [".a@example.com", "a..b@example.com", "a@b"]],
  ["a UUID", z.uuid(), ["7c2a0d2e-1b4c-4c6e-9d7a-3f5b8e2a1c0d"], ["7"]],
  ["a URL", z.url(), ["https://example.com/a"], ["a b"]],
  ["a date", z.iso.date(), ["2024-02-29"], ["2023-02-29"]],
  ["a moment", z.iso.datetime(), ["2024-05-06T07:08:09Z"], ["2024-05-06"]],
  ["an IPv4 address", z.ipv4(), ["127.0.0.1"], ["127.0.0.256"]],
  ["base64", z.base64(), ["YWI="], ["a"]],
  ["a prefix", z.string().startsWith("ab").endsWith("z"), ["abcz"], ["bz", "ab"]],
  ["an integer", z.int(), [0, -5], [1.5]],
  ["an integer of 32 bits", z.int32(), [-2147483648], [2147483648]],
  ["a positive number", z.number().positive().max(10), [0.5, 10], [0, 11]],
  ["a multiple", z.number().multipleOf(0.5), [1.5], [0.3]],
  ["a boolean", z.boolean(), [true], [0]],
  ["a literal", z.literal(["a", 1, null]), ["a", 1, null], ["b"]],
  ["an enum", z.enum(["red", "blue"]), ["red"], ["green"]],
  ["a list", z.array(z.int()).min(1).max(2), [[1], [1, 2]], [[], [1, 2, 3]]],
  ["a tuple", z.tuple([z.string(), z.int()]), [["a", 1]], [[1, "a"]]],
  ["a tuple with a rest", z.tuple([z.string()], z.int()), [["a", 1, 2]], [["a", "b"]]],
  ["an object", z.object({ a: z.string(), b: z.int().optional() }), [{ a: "x" }, { a: "x", b: 1 }], [{}, { a: "x", zzz: 1 }]],
  ["a loose object", z.looseObject({ a: z.string() }), [{ a: "x", b: 1 }], [{ b: 1 }]],
  ["nested objects", z.object({ home: address, work: address.nullable() }), [{ home: { street: "a", zip: "12345" }, work: null }], [{ home: { street: "a", zip: "1" }, work: null }]],
  ["a recursive object", category, [{ name: "a", children: [{ name: "b", children: [] }] }], [{ name: "a" }]],
  ["a union", z.union([z.string(), z.int(), z.array(z.boolean())]), ["a", 1, [true]], [1.5, [1]]],
  ["a discriminated union", z.discriminatedUnion("kind", [z.object({ kind: z.literal("a"), x: z.int() }), z.object({ kind: z.literal("b"), y: z.string() })]), [{ kind: "a", x: 1 }, { kind: "b", y: "z" }], [{ kind: "a", y: "z" }]],
  ["a record", z.record(z.string(), z.int()), [{}, { a: 1 }], [{ a: "b" }]],
  ["a record with enum keys", z.record(z.enum(["a", "b"]), z.int()), [{ a: 1, b: 2 }], [{ c: 1 }]],
  ["a nullable", z.string().nullable(), [null, "a"], [1]],
  ["a default with a description", z.object({ a: z.int().default(7).describe("A number") }), [{ a: 1 }], [{ a: "b" }]],
  ["never", z.object({ a: z.string(), b: z.never().optional() }), [{ a: "x" }], [{ a: "x", b: 1 }]],
  ["anything", z.object({ a: z.any(), b: z.unknown() }), [{ a: [1], b: null }], [[]]],
  ["a password", z.string().regex(/^(?=.*[A-Z])(?=.*\d).{4,20}$/), ["aB3c"], ["abcd", "aB3"]],
];

const fixtures = types.map(([name, type, valid, invalid]) => {
  for (const instance of valid) type.parse(instance);
  return { name, schema: z.toJSONSchema(type), valid, invalid };
});
console.log(JSON.stringify(fixtures, null, 1));
