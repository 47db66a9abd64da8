// Contract rest-api.md §11 and §20 "Endpoints / proxy".
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { WebSocket } from 'undici'
import { peer, EXECD_PORT, PORT } from './lib/peer.mjs'
import { answer_of, NOBODY, open, rest, service, until } from './lib/service.mjs'
import { look_at, new_paused_sandbox, new_sandbox, pause, resume, until_state } from './lib/sandboxes.mjs'
import { answered, check, GET, POST, refused, row } from './lib/table.mjs'

const noKey = { 'OPEN-SANDBOX-API-KEY': null }
let id
before(async () => { id = await new_sandbox({}, peer) })

describe('endpoints', { concurrency: true }, () => {
    const endpoint = (port, query = '') => () => GET(`/v1/sandboxes/${id}/endpoints/${port}${query}`)
    row('the address of a port', endpoint(PORT), answered(200, { json: { endpoint: /^[0-9a-f.:]+:8080$/ }, absent: ['headers'] }))
    row('the last port', endpoint(65535), answered(200, { json: { endpoint: /:65535$/ } }))
    row('booleans in other words', endpoint(PORT, '?use_server_proxy=OFF'), answered(200, { json: { endpoint: /:8080$/ } }))
    row('through the server: the host that was asked, without /v1', endpoint(PORT, '?use_server_proxy=true'),
        () => answered(200, { json: { endpoint: `${service.url.host}/sandboxes/${id}/proxy/${PORT}` } }))
    row('the host that the client named', () => GET(`/v1/sandboxes/${id}/endpoints/80?use_server_proxy=yes`, { headers: { Host: 'sandboxes.example' } }),
        () => answered(200, { json: { endpoint: `sandboxes.example/sandboxes/${id}/proxy/80` } }))
    row('port 0', endpoint(0), refused(400, 'DOCKER::INVALID_PORT'))
    row('port 65536', endpoint(65536), refused(400, 'DOCKER::INVALID_PORT'))
    row('a port that is no number', endpoint('http'), refused(422, 'SANDBOX::INVALID_PARAMETER'))
    row('a boolean that is none', endpoint(PORT, '?use_server_proxy=perhaps'), refused(422, 'SANDBOX::INVALID_PARAMETER', 'use_server_proxy'))
    row('proxy and expiry together', endpoint(PORT, '?use_server_proxy=true&expires=4000000000'), refused(400, 'SANDBOX::INVALID_PARAMETER', 'use_server_proxy cannot be combined with expires'))
    row('an expiry without a gateway', endpoint(PORT, '?expires=4000000000'), refused(400, 'SANDBOX::INVALID_PARAMETER', 'expires'))
    row('an unknown sandbox', GET(`/v1/sandboxes/${NOBODY}/endpoints/80`), refused(404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY))
    row('a paused sandbox has none', async () => GET(`/v1/sandboxes/${await new_paused_sandbox()}/endpoints/80`), refused(404, 'KUBERNETES::POD_IP_NOT_AVAILABLE'))

    test('right after a resume the answer waits for the new address', async () => {
        const mine = await new_sandbox({}, peer)
        await pause(mine)
        await until_state(mine, 'Paused')
        await resume(mine)
        const answers = await Promise.all([EXECD_PORT, 18080].map((port) => rest('GET', `/v1/sandboxes/${mine}/endpoints/${port}?use_server_proxy=false`)))
        answers.forEach((answer) => check(answer, answered(200)))
        await until_state(mine, 'Running')
        check(await rest('GET', `/v1/sandboxes/${mine}/endpoints/${EXECD_PORT}`), answered(200, { json: answers[0].json }))
    })

    test('who waits is told when the sandbox goes instead', async () => {
        const mine = await new_paused_sandbox()
        await resume(mine)
        const waiting = rest('GET', `/v1/sandboxes/${mine}/endpoints/80`)
        await rest('DELETE', `/v1/sandboxes/${mine}`)
        check(await waiting, answered([200, 404]))
    })
})

describe('the proxy', () => { // one after the other: busybox's nc has room for one caller who waits
    const path = (rest, port = PORT) => `/v1/sandboxes/${id}/proxy/${port}${rest}`
    const through = (method, rest_of_path, options) => rest(method, path(rest_of_path), { ...options, headers: { ...noKey, ...options?.headers } })
    const header = (text, name) => text.split('\n').find((line) => line.toLowerCase().startsWith(`${name}:`))?.replace(/^[^:]*: */, '')

    test('passes method, path and query as they are', async () => {
        const { status, text } = await through('GET', '/a%2Fb/c%20d?x=1&y=%26&&z')
        assert.equal(status, 200)
        assert.match(text, /^GET \/a%2Fb\/c%20d\?x=1&y=%26&&z HTTP\/1\.1\n/)
    })
    test('a path without a rest is /', async () => assert.match((await through('GET', '')).text, /^GET \/ /))
    test('works without /v1', async () => assert.equal((await rest('GET', `/sandboxes/${id}/proxy/${EXECD_PORT}/ping`, { headers: noKey })).text, 'pong\n'))
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
        test(`passes the body of a ${method}`, async () => {
            const { text } = await through(method, '/body', { body: 'one\ntwo', headers: { 'Content-Type': 'text/x-own' } })
            assert.match(text, new RegExp(`^${method} /body `))
            assert.equal(header(text, 'content-type'), 'text/x-own')
            assert.ok(text.endsWith('\n\none\ntwo'), text)
        })
    test('keeps what is not for the sandbox', async () => {
        const { text } = await through('GET', '/', { headers: { 'OPEN-SANDBOX-API-KEY': service.key || 'x', Authorization: 'Bearer hush', Cookie: 'hush=1', Connection: 'close, X-Hop', 'X-Hop': '1', 'X-Own': 'kept', TE: 'trailers' } })
        for (const name of ['open-sandbox-api-key', 'authorization', 'cookie', 'x-hop', 'te']) assert.equal(header(text, name), undefined, `${name} in ${text}`)
        assert.equal(header(text, 'x-own'), 'kept')
        assert.ok(!text.includes('hush') && (!service.key || !text.includes(service.key)))
    })
    test('names its own host to the sandbox, and the caller in X-Forwarded-*', async () => {
        const { text } = await through('GET', '/', { headers: { Host: 'outside.example' } })
        assert.match(header(text, 'host'), /^[0-9a-f.:\][]+:8080$/)
        assert.equal(header(text, 'x-forwarded-host'), 'outside.example')
        assert.match(header(text, 'x-forwarded-proto'), /^https?$/)
        assert.match(header(text, 'x-forwarded-for'), /^[0-9a-f.:]+$/)
    })
    test('X-Forwarded-* of the caller stay', async () => {
        const { text } = await through('GET', '/', { headers: { 'x-forwarded-for': '192.0.2.1', 'X-FORWARDED-PROTO': 'https' } })
        assert.equal(header(text, 'x-forwarded-for'), '192.0.2.1')
        assert.equal(header(text, 'x-forwarded-proto'), 'https')
    })
    test('passes status and headers of the answer, without those of the hop', async () => {
        const answer = await through('GET', '/teapot')
        assert.deepEqual([answer.status, answer.text, answer.headers['x-own'], answer.headers['x-hop']], [418, 'short', 'kept', undefined])
    })
    test('does not touch an encoded body', async () => {
        const answer = await through('GET', '/encoded')
        assert.equal(answer.headers['content-encoding'], 'gzip')
        assert.deepEqual(answer.bytes, Buffer.from('not really gzip\0\xff', 'latin1'))
    })
    test('streams the answer: its first part is there before the second is made', async () => {
        const request = open('GET', path('/slow'), { headers: noKey })
        const answered = new Promise((resolve, reject) => request.on('response', resolve).on('error', reject))
        request.end()
        const parts = (await answered)[Symbol.asyncIterator]()
        assert.equal(String((await parts.next()).value), 'first')
        await through('GET', '/go')
        assert.equal(String((await parts.next()).value), 'second')
        assert.equal((await parts.next()).done, true)
    })
    test('streams the request: its first line is there before the second is sent', async () => {
        const request = open('POST', path('/lines'), { headers: { ...noKey, 'Transfer-Encoding': 'chunked' } })
        const answered = new Promise((resolve, reject) => request.on('response', resolve).on('error', reject))
        const seen = (wanted) => until(() => through('GET', '/seen'), ({ text }) => text === wanted, `the sandbox has seen ${wanted}`, 10_000)
        request.write('one\n')
        await seen('one\n')
        request.write('two\n')
        await seen('one\ntwo\n')
        request.end()
        assert.equal((await answer_of(await answered)).text, 'thank you')
    })
    test('relays a WebSocket', async () => {
        const url = `${service.url.origin.replace(/^http/, 'ws')}${path('/ws')}`
        const socket = new WebSocket(url)
        const said = []
        await new Promise((resolve, reject) => {
            socket.onerror = (event) => reject(event.error ?? new Error('the WebSocket failed'))
            socket.onopen = () => socket.send('hello')
            socket.onmessage = ({ data }) => {
                said.push(data)
                if (said.length === 1) socket.send('again')
                else socket.close(1000)
            }
            socket.onclose = ({ code }) => (said.push(code), resolve())
        })
        assert.deepEqual(said, ['hello', 'again', 1000])
    })
    row('an unknown sandbox is 404', GET(`/v1/sandboxes/${NOBODY}/proxy/80/`, { headers: noKey }), refused(404, 'KUBERNETES::SANDBOX_NOT_FOUND'))
    row('a port where nobody listens is 502', () => GET(path('/', 9), { headers: noKey }), answered(502, { json: { code: /./, message: /./ } }))
    row('port 0 is 400', () => GET(path('/', 0), { headers: noKey }), refused(400, 'DOCKER::INVALID_PORT'))
    row('port 65536 is 400', () => GET(path('/', 65536), { headers: noKey }), refused(400, 'DOCKER::INVALID_PORT'))
    row('a paused sandbox is 404', async () => GET(`/v1/sandboxes/${await new_paused_sandbox()}/proxy/80/`, { headers: noKey }), refused(404, 'KUBERNETES::POD_IP_NOT_AVAILABLE'))
})
