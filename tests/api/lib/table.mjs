// table.mjs - tests that are rows: a sentence, a request, what must come back.
//
//   row('a sandbox that nobody has is not found', GET('/v1/sandboxes/x'), refused(404, 'KUBERNETES::SANDBOX_NOT_FOUND'))
//
// A request may be a function, for what is known only when the row runs. Every answer is held against the rules that all
// of them keep (contract §1): a request id; errors of exactly `code` and `message` (422 also `detail`); no null members.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rest } from './service.mjs'

const request = (method) => (path, options) => ({ method, path, ...options })
export const GET = request('GET'), POST = request('POST'), PUT = request('PUT'), PATCH = request('PATCH'), DELETE = request('DELETE'), OPTIONS = request('OPTIONS')

// What is expected: `status` (one or several), `message` (a text or several that it contains), `json` (members that it has), `absent` (members that
// it has not), `headers` (of the answer: a text, a RegExp, or null for none), `also(answer)` (a further check).
export const answered = (status, more) => ({ status, ...more })
export const refused = (status, code, message = [], more = {}) => ({ status, code, message: [message].flat(), ...more })

export function row(sentence, ask, expected) {
    test(sentence, async () => {
        const { method, path, ...options } = typeof ask === 'function' ? await ask() : ask
        check(await rest(method, path, options), typeof expected === 'function' ? await expected() : expected)
    })
}

export function check(answer, expected) {
    const shown = `${answer.status} ${answer.text}`
    assert.ok([expected.status].flat().includes(answer.status), `want ${expected.status}, got ${shown}`)
    assert.match(answer.headers['x-request-id'] ?? '', /\S/, 'every answer has a request id')
    if (answer.json !== undefined) no_nulls(answer.json)
    if (expected.code !== undefined) check_refusal(answer, expected, shown)
    if (expected.json !== undefined) has(answer.json, expected.json, shown)
    for (const name of expected.absent ?? []) assert.ok(!(name in answer.json), `${name} is absent: ${shown}`)
    if (expected.empty) assert.equal(answer.text, '')
    for (const [name, value] of Object.entries(expected.headers ?? {})) check_header(answer, name, value)
    expected.also?.(answer)
}

function check_refusal(answer, expected, shown) {
    assert.equal(answer.json?.code, expected.code, shown)
    for (const text of expected.message) assert.ok(answer.json.message.includes(text), `"${text}" in ${shown}`)
    assert.ok(answer.json.message.length > 0, shown)
    const members = Object.keys(answer.json).filter((name) => name !== 'detail' || answer.status !== 422)
    assert.deepEqual(members.sort(), ['code', 'message'], shown)
}

function check_header(answer, name, value) {
    const found = answer.headers[name]
    if (value === null) assert.equal(found, undefined, `${name} is not sent`)
    else if (value instanceof RegExp) assert.match(found ?? '', value, name)
    else assert.equal(found, value, name)
}

function no_nulls(json) {
    if (json === null) assert.fail('a null member in an answer')
    if (typeof json === 'object') Object.values(json).forEach(no_nulls)
}

// `actual` has all of `wanted`, at every depth; a RegExp matches a text, a function is asked.
export function has(actual, wanted, shown = JSON.stringify(actual)) {
    if (wanted instanceof RegExp) assert.match(String(actual), wanted, shown)
    else if (typeof wanted === 'function') assert.ok(wanted(actual), shown)
    else if (Array.isArray(wanted)) assert.deepEqual(actual, wanted, shown)
    else if (wanted !== null && typeof wanted === 'object') {
        for (const [name, value] of Object.entries(wanted)) has(actual?.[name], value, `${name}: ${shown}`)
    } else assert.equal(actual, wanted, shown)
}
