// Contract rest-api.md §1 and §20 "Auth and transport", §14, §17: what every request meets before its handler does.
import assert from 'node:assert/strict'
import net from 'node:net'
import tls from 'node:tls'
import { describe, test } from 'node:test'
import { create_body, idle } from './lib/peer.mjs'
import { NOBODY, open, rest, answer_of, service } from './lib/service.mjs'
import { answered, DELETE, GET, OPTIONS, PATCH, POST, PUT, refused, row } from './lib/table.mjs'

const body = create_body(idle)
const noKey = { 'OPEN-SANDBOX-API-KEY': null }
const keyed = { skip: service.key ? false : undefined }

describe('auth', { concurrency: true, ...keyed }, () => {
    const missing = refused(401, 'MISSING_API_KEY', 'OPEN-SANDBOX-API-KEY')
    row('a create without a key is refused', POST('/v1/sandboxes', { body, headers: noKey }), missing)
    row('a get without a key is refused', GET(`/v1/sandboxes/${NOBODY}`, { headers: noKey }), missing)
    row('a list without a key is refused', GET('/v1/sandboxes', { headers: noKey }), missing)
    row('a delete without a key is refused', DELETE(`/v1/sandboxes/${NOBODY}`, { headers: noKey }), missing)
    row('a pause without a key is refused', POST(`/v1/sandboxes/${NOBODY}/pause`, { headers: noKey }), missing)
    row('a resume without a key is refused', POST(`/v1/sandboxes/${NOBODY}/resume`, { headers: noKey }), missing)
    row('a renewal without a key is refused', POST(`/v1/sandboxes/${NOBODY}/renew-expiration`, { body: {}, headers: noKey }), missing)
    row('pools without a key are refused', GET('/v1/pools', { headers: noKey }), missing)
    row('snapshots without a key are refused', GET('/v1/snapshots', { headers: noKey }), missing)
    row('an empty key is a missing one', GET('/v1/sandboxes', { headers: { 'OPEN-SANDBOX-API-KEY': '' } }), missing)
    row('a wrong key is refused', GET('/v1/sandboxes', { key: 'wrong' }), refused(401, 'INVALID_API_KEY'))
    row('the beginning of the key is refused', GET('/v1/sandboxes', { key: service.key.slice(0, -1) }), refused(401, 'INVALID_API_KEY'))
    row('the right key is accepted', GET('/v1/sandboxes?pageSize=1'), answered(200))
    row('without a key an unknown route is 401, not 404', GET('/v1/nowhere', { headers: noKey }), missing)
    row('without a key a malformed body is 401, not 422', POST('/v1/sandboxes', { body: '{', headers: noKey }), missing)
    row('a proxy path with a numeric port needs no key', GET(`/v1/sandboxes/${NOBODY}/proxy/8080/x`, { headers: noKey }), refused(404, 'KUBERNETES::SANDBOX_NOT_FOUND'))
    row('a proxy path with a numeric port and without /v1 needs no key', GET(`/sandboxes/${NOBODY}/proxy/8080`, { headers: noKey }), refused(404, 'KUBERNETES::SANDBOX_NOT_FOUND'))
    row('a proxy path with another port needs the key', GET(`/v1/sandboxes/${NOBODY}/proxy/http/x`, { headers: noKey }), missing)
    row('a proxy path with .. needs the key', GET(`/v1/sandboxes/${NOBODY}/proxy/8080/../x`, { headers: noKey }), missing)
    row('a path that merely contains "proxy" needs the key', GET('/v1/proxy/8080', { headers: noKey }), missing)
    row('a path that only begins like /health needs the key', GET('/healthz', { headers: noKey }), missing)
    row('the key is not told back', GET(`/v1/sandboxes/${NOBODY}`), answered(404, { also: ({ text }) => assert.ok(!service.key || !text.includes(service.key)) }))
})

describe('transport', { concurrency: true }, () => {
    row('/health answers without a key', GET('/health', { headers: noKey }), answered(200, { json: { status: 'healthy' } }))
    row('/openapi.json answers without a key and tells the routes', GET('/openapi.json', { headers: noKey }),
        answered(200, { json: { openapi: /^3\./, paths: (paths) => Object.keys(paths).some((path) => path.endsWith('/sandboxes/{id}/pause') || path.endsWith('/sandboxes/{sandboxId}/pause')) } }))
    row('every route is there without /v1 too', GET('/sandboxes?pageSize=1'), answered(200, { json: { pagination: { pageSize: 1 } } }))
    row('an unknown route is 404 with a code', GET('/v1/nowhere'), answered(404, { json: { code: /./, message: /./ } }))
    row('a wrong method is 405 with a code', PUT('/v1/sandboxes'), answered(405, { json: { code: /./, message: /./ } }))
    row("a caller's request id comes back on an error", GET(`/v1/sandboxes/${NOBODY}`, { headers: { 'X-Request-ID': ' mine-1 ' } }), answered(404, { headers: { 'x-request-id': 'mine-1' } }))
    row("a caller's request id comes back on a 401", GET('/v1/sandboxes', { key: 'wrong', headers: { 'X-Request-ID': 'mine-2' } }), answered(service.key ? 401 : 200, { headers: { 'x-request-id': 'mine-2' } }))
    row('a request without an id gets 32 hex digits', GET('/health'), answered(200, { headers: { 'x-request-id': /^[0-9a-f]{32}$/ } }))
    row('a blank request id is none', GET('/health', { headers: { 'X-Request-ID': '  ' } }), answered(200, { headers: { 'x-request-id': /^[0-9a-f]{32}$/ } }))
    row('unknown members are ignored', POST('/v1/sandboxes', { body: { timeout: 10, whatever: [1] } }), refused(422, 'SANDBOX::INVALID_PARAMETER'))
    row('a body that is no JSON is 422', POST('/v1/sandboxes', { body: '{"image":' }), refused(422, 'SANDBOX::INVALID_PARAMETER'))
    row('a body that is no object is 422', POST('/v1/sandboxes', { body: '[]' }), refused(422, 'SANDBOX::INVALID_PARAMETER'))
    row('a missing body is 422', POST('/v1/sandboxes', {}), refused(422, 'SANDBOX::INVALID_PARAMETER'))
    row('a deep body is 422', POST('/v1/sandboxes', { body: '['.repeat(20_000) }), refused(422, 'SANDBOX::INVALID_PARAMETER'))
    row("a body above 1 MiB is 413, with the caller's request id", POST('/v1/sandboxes', { body: `"${'x'.repeat(1_048_577)}"`, headers: { 'X-Request-ID': 'mine-3' } }),
        refused(413, 'GENERAL::PAYLOAD_TOO_LARGE', [], { headers: { 'x-request-id': 'mine-3' } }))
    row('telemetry is taken', POST('/v1/metrics/events', { body: { eventType: 'sandbox.create', createDurationMs: 1, success: true } }), answered(204, { empty: true }))

    const origin = { Origin: 'https://app.example' }
    row('any origin may read answers', GET('/v1/sandboxes?pageSize=1', { headers: origin }),
        answered(200, { headers: { 'access-control-allow-origin': /^(\*|https:\/\/app\.example)$/, 'access-control-allow-credentials': 'true' } }))
    row('any origin may read refusals', GET('/v1/sandboxes', { key: 'wrong', headers: origin }), answered(service.key ? 401 : 200, { headers: { 'access-control-allow-origin': /./ } }))
    row('a preflight allows the method and the headers, without a key',
        OPTIONS('/v1/sandboxes', { headers: { ...noKey, ...origin, 'Access-Control-Request-Method': 'PATCH', 'Access-Control-Request-Headers': 'open-sandbox-api-key,x-own' } }),
        answered(200, { headers: { 'access-control-allow-methods': /PATCH|\*/, 'access-control-allow-headers': /x-own|\*/i, 'access-control-allow-origin': /./ } }))

    test('a head above 32 KiB is refused, and the connection is not used on', async () => {
        const text = await raw(`GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`)
        assert.match(text, /^HTTP\/1\.1 431 /)
        assert.match(text, /x-request-id: [0-9a-f]{32}\r\n/i)
    })

    test('a body that is longer than it says is not the next request', async () => {
        const text = await raw('POST /v1/metrics/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n')
        assert.ok((text.match(/HTTP\/1\.1/g) ?? []).length <= 1 && !text.includes('healthy'), text)
    })

    test('two requests on one connection get their own answers', async () => {
        const answers = await raw('GET /health HTTP/1.1\r\nHost: x\r\nX-Request-ID: one\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\nX-Request-ID: two\r\nConnection: close\r\n\r\n')
        assert.ok(answers.search(/x-request-id: one/i) < answers.search(/x-request-id: two/i), answers)
    })

    test('a HEAD has no body', async () => {
        const request = open('HEAD', '/health')
        const answered = new Promise((resolve, reject) => request.on('response', resolve).on('error', reject))
        request.end()
        const { status, text } = await answer_of(await answered)
        assert.ok(status === 200 || status === 405, String(status))
        assert.equal(text, '')
    })
})

describe('other routes and features outside the guide', { concurrency: true }, () => {
    const create = (more) => POST('/v1/sandboxes', { body: create_body(idle, more) })
    const invalid = (text) => refused(400, 'SANDBOX::INVALID_PARAMETER', text)
    row('an egress policy is refused, not ignored', create({ networkPolicy: { egress: [] } }), invalid('networkPolicy'))
    row('secure access is refused', create({ secureAccess: true }), invalid('secureAccess'))
    row('a credential proxy without an egress policy is 422', create({ credentialProxy: { enabled: true } }), refused(422, 'SANDBOX::INVALID_PARAMETER', 'networkPolicy'))
    row('a credential proxy with one is refused', create({ credentialProxy: { enabled: true }, networkPolicy: { defaultAction: 'deny' } }), invalid())
    row('windows is refused', create({ platform: { os: 'windows', arch: 'amd64' } }), invalid('platform'))
    row('an ossfs volume is refused', create({ volumes: [{ name: 'a', mountPath: '/a', ossfs: { bucket: 'b', endpoint: 'e' } }] }), invalid('ossfs'))
    row('a signed route is refused', GET(`/v1/sandboxes/${NOBODY}/endpoints/80?expires=4000000000`), refused(400, 'SANDBOX::INVALID_PARAMETER', 'expires'))
    row('diagnostics with a scope are not implemented', GET(`/v1/sandboxes/${NOBODY}/diagnostics/logs?scope=x`), refused(501, 'DIAGNOSTICS_NOT_IMPLEMENTED'))
    for (const what of ['logs', 'events', 'inspect', 'summary'])
        row(`diagnostics ${what} of an unknown sandbox are 404`, GET(`/v1/sandboxes/${NOBODY}/diagnostics/${what}`), refused(404, 'KUBERNETES::SANDBOX_NOT_FOUND'))
    for (const query of ['logs?tail=0', 'logs?tail=10001', 'logs?since=soon', 'events?limit=0', 'events?limit=501'])
        row(`diagnostics ${query} is 422`, GET(`/v1/sandboxes/${NOBODY}/diagnostics/${query}`), refused(422, 'SANDBOX::INVALID_PARAMETER'))
})

// What comes back for these bytes until the other side closes, or is silent for a second.
function raw(bytes) {
    return new Promise((resolve, reject) => {
        const { hostname, port, protocol } = service.url
        const socket = protocol === 'https:' ? tls.connect({ host: hostname, port, ca: service.ca }) : net.connect(port, hostname)
        let text = ''
        socket.on('data', (part) => (text += part))
        socket.on('error', (error) => (text ? resolve(text) : reject(error)))
        socket.on('close', () => resolve(text))
        socket.setTimeout(1000, () => socket.destroy())
        socket.write(bytes)
    })
}
