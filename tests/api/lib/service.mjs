// service.mjs - the service under test, and one HTTP request to it, as plain as node can send it.
import http from 'node:http'
import https from 'node:https'
import { readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'

const { env } = process

export const service = {
    url: new URL(env.STASIS_API_URL),
    grpcAddress: env.STASIS_GRPC_ADDRESS,
    grpcServerName: env.STASIS_GRPC_SERVER_NAME,
    key: env.STASIS_API_KEY ?? '',
    ca: env.STASIS_CA ? readFileSync(env.STASIS_CA) : null,
    image: env.STASIS_IMAGE,
}

// Tells what this run made from what others made.
export const run = randomUUID().slice(0, 8)

// No sandbox and no snapshot has it.
export const NOBODY = '0f1e2d3c-0000-4000-8000-000000000000'

const agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true, ca: service.ca ?? undefined }),
}

// Opens a request with the right key; `headers` wins, and null takes a header away. The caller writes and ends it.
export function open(method, path, { headers = {}, base = service.url, key = service.key, ca } = {}) {
    const all = { 'OPEN-SANDBOX-API-KEY': key || null, ...headers }
    for (const name of Object.keys(all)) if (all[name] === null) delete all[name]
    const target = new URL(base)
    const request = (target.protocol === 'https:' ? https : http).request({
        host: target.hostname, port: target.port, method, path, headers: all, agent: ca ? undefined : agents[target.protocol], ca, timeout: 90_000,
    })
    request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer in 90 s`)))
    return request
}

// { status, headers, text, json }: the whole answer. A body that is no string and no Buffer goes as JSON.
export function rest(method, path, { body, ...options } = {}) {
    return new Promise((resolve, reject) => {
        const plain = typeof body === 'string' || Buffer.isBuffer(body)
        const bytes = body === undefined ? null : plain ? Buffer.from(body) : Buffer.from(JSON.stringify(body))
        const type = bytes ? { 'Content-Type': 'application/json', 'Content-Length': bytes.length } : {}
        const request = open(method, path, { ...options, headers: { ...type, ...options.headers } })
        // The server may close an idle connection at the moment in which it is used again: then nobody has read the request.
        request.on('error', (error) =>
            request.reusedSocket && error.code === 'ECONNRESET' ? rest(method, path, { body, ...options }).then(resolve, reject) : reject(error))
        request.on('response', (response) => answer_of(response).then(resolve, reject))
        request.end(bytes)
    })
}

export async function answer_of(response) {
    const parts = []
    for await (const part of response) parts.push(part)
    const bytes = Buffer.concat(parts)
    const text = bytes.toString()
    const isJson = /^application\/json/.test(response.headers['content-type'] ?? '')
    return { status: response.statusCode, headers: response.headers, bytes, text, json: isJson && text ? JSON.parse(text) : undefined }
}

// Asks until `isRight(answer)`; for states, which REST does not announce.
export async function until(ask, isRight, what, timeout_ms = 60_000) {
    const deadline = Date.now() + timeout_ms
    for (;;) {
        const answer = await ask()
        if (isRight(answer)) return answer
        if (Date.now() > deadline) throw new Error(`${what}: not in ${timeout_ms} ms; last: ${JSON.stringify(answer)}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
    }
}
