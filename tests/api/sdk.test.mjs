// OpenSandbox's own JavaScript SDK against our REST door: its users change the address and nothing else (contract §16).
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { ConnectionConfig, Sandbox, SandboxApiException, SandboxManager } from '@alibaba-group/opensandbox'
import { idle, peer, EXECD_PORT, PORT } from './lib/peer.mjs'
import { NOBODY, run, service, until } from './lib/service.mjs'

const connection = (more = {}) => new ConnectionConfig({ domain: service.url.origin, apiKey: service.key, ...more })
const manager = SandboxManager.create({ connectionConfig: connection() })
const opened = new Set()
after(async () => {
    await Promise.all([...opened].map((id) => manager.killSandbox(id).catch(() => {})))
    await manager.close()
})

async function create(kind, more = {}) {
    const sandbox = await Sandbox.create({
        connectionConfig: connection(), image: service.image, resource: {}, skipHealthCheck: true,
        ...kind, ...more, metadata: { 'api-test': run, ...more.metadata },
    })
    opened.add(sandbox.id)
    return sandbox
}

const state_of = async (id) => (await manager.getSandboxInfo(id)).status.state
const until_state = (id, state) => until(() => state_of(id), (now) => now === state, `${id} is ${state}`)
const until_snapshot = (id, state) => until(async () => (await manager.getSnapshot(id)).status.state, (now) => now === state, `snapshot ${id} is ${state}`)

async function refusal_of(promise) {
    try {
        await promise
    } catch (error) {
        assert.ok(error instanceof SandboxApiException, String(error))
        return error
    }
    assert.fail('want a refusal, got an answer')
}

describe('the SDK', { concurrency: 4 }, () => {
    test('creates a sandbox that runs, and knows it by its id', async () => {
        const sandbox = await create(idle, { metadata: { made: 'by-sdk' } })
        const info = await sandbox.getInfo()
        assert.equal(info.id, sandbox.id)
        assert.equal(info.status.state, 'Running')
        assert.equal(info.metadata.made, 'by-sdk')
        assert.ok(info.createdAt instanceof Date && info.expiresAt > info.createdAt)
        await sandbox.kill()
    })

    test("creates with its health check, which asks execd's /ping", async () => {
        const sandbox = await create(peer, { skipHealthCheck: false })
        assert.equal(await sandbox.isHealthy(), true)
        await sandbox.kill()
    })

    test('reaches the same /ping through the server with useServerProxy', async () => {
        const sandbox = await create(peer, { skipHealthCheck: false, connectionConfig: connection({ useServerProxy: true }) })
        assert.equal(await sandbox.isHealthy(), true)
        assert.match((await sandbox.getEndpoint(PORT)).endpoint, new RegExp(`/sandboxes/${sandbox.id}/proxy/${PORT}$`))
        await sandbox.kill()
    })

    test('creates without an expiry when the timeout is null', async () => {
        const sandbox = await create(idle, { timeoutSeconds: null })
        assert.ok(!(await sandbox.getInfo()).expiresAt)
        await sandbox.kill()
    })

    test('connects to a sandbox that another process made', async () => {
        const first = await create(peer)
        const second = await Sandbox.connect({ connectionConfig: connection(), sandboxId: first.id })
        assert.equal((await second.getInfo()).id, first.id)
        assert.match((await second.getEndpoint(EXECD_PORT)).endpoint, new RegExp(`:${EXECD_PORT}$`))
        await second.close()
        await first.kill()
    })

    test('lists by state and metadata, page by page', async () => {
        const group = `list-${run}`
        const [a, b, c] = await Promise.all([1, 2, 3].map((n) => create(idle, { metadata: { group, n: String(n) } })))
        await manager.pauseSandbox(b.id)
        await until_state(b.id, 'Paused')
        const list = (filter) => manager.listSandboxInfos({ metadata: { group }, ...filter })
        const ids = ({ items }) => items.map((item) => item.id).sort()
        assert.deepEqual(ids(await list()), [a.id, b.id, c.id].sort())
        assert.deepEqual(ids(await list({ states: ['Paused'] })), [b.id])
        assert.deepEqual(ids(await list({ states: ['Paused', 'Running'] })), [a.id, b.id, c.id].sort())
        assert.deepEqual(ids(await list({ metadata: { group, n: '3' } })), [c.id])
        assert.deepEqual(ids(await list({ metadata: { group, n: 'a=b c' } })), [])
        const page = await list({ page: 2, pageSize: 2 })
        assert.equal(page.items.length, 1)
        assert.deepEqual(page.pagination, { page: 2, pageSize: 2, totalItems: 3, totalPages: 2, hasNextPage: false })
        await Promise.all([a, b, c].map((sandbox) => sandbox.kill()))
    })

    test('patches metadata: sets, replaces and removes', async () => {
        const sandbox = await create(idle, { metadata: { keep: '1', change: '1', go: '1' } })
        const info = await sandbox.patchMetadata({ change: '2', go: null, come: '1' })
        assert.deepEqual(info.metadata, { 'api-test': run, keep: '1', change: '2', come: '1' })
        assert.deepEqual((await sandbox.getInfo()).metadata, info.metadata)
        await sandbox.kill()
    })

    test('renews: the expiry moves to now and so many seconds', async () => {
        const sandbox = await create(idle)
        const { expiresAt } = await sandbox.renew(3600)
        assert.ok(Math.abs(expiresAt - Date.now() - 3_600_000) < 10_000)
        assert.equal((await sandbox.getInfo()).expiresAt.getTime(), expiresAt.getTime())
        await sandbox.kill()
    })

    test('pauses, and sandbox.resume() comes back with both endpoints and a healthy execd', async () => {
        const sandbox = await create(peer, { skipHealthCheck: false })
        await sandbox.pause()
        await until_state(sandbox.id, 'Paused')
        const resumed = await sandbox.resume()
        assert.equal(await resumed.isHealthy(), true)
        assert.equal(await state_of(sandbox.id), 'Running')
        await resumed.kill()
    })

    test('Sandbox.resume() needs only the id', async () => {
        const sandbox = await create(peer)
        await manager.pauseSandbox(sandbox.id)
        await until_state(sandbox.id, 'Paused')
        const resumed = await Sandbox.resume({ connectionConfig: connection(), sandboxId: sandbox.id })
        assert.equal(resumed.id, sandbox.id)
        assert.equal(await resumed.isHealthy(), true)
        await resumed.kill()
    })

    test('makes a snapshot of a running sandbox, lists it, creates from it and deletes it', async () => {
        const sandbox = await create(peer)
        const name = `snap-${run}`
        const made = await manager.createSnapshot(sandbox.id, { name })
        assert.equal(made.sandboxId, sandbox.id)
        await until_snapshot(made.id, 'Ready')
        const listed = await manager.listSnapshots({ sandboxId: sandbox.id, states: ['Ready'] })
        assert.deepEqual(listed.items.map(({ id, name }) => ({ id, name })), [{ id: made.id, name }])
        await sandbox.kill() // the snapshot is nobody's
        const restored = await create(peer, { image: undefined, snapshotId: made.id, skipHealthCheck: false })
        assert.equal((await restored.getInfo()).snapshotId, made.id)
        assert.equal(await restored.isHealthy(), true)
        await restored.kill()
        await manager.deleteSnapshot(made.id)
        const error = await until(() => manager.getSnapshot(made.id).catch((error) => error), (last) => last instanceof Error, 'the snapshot is gone')
        assert.deepEqual([error.statusCode, error.error.code], [404, 'SNAPSHOT::NOT_FOUND'])
    })

    test('kills, and then the sandbox is nowhere', async () => {
        const sandbox = await create(idle)
        await sandbox.kill() // it may be seen Stopping for a while
        const error = await until(() => sandbox.getInfo().catch((error) => error), (last) => last instanceof Error, `${sandbox.id} is gone`)
        assert.deepEqual([error.statusCode, error.error.code], [404, 'KUBERNETES::SANDBOX_NOT_FOUND'])
    })

    const nobody = { sandboxId: NOBODY, skipHealthCheck: true }
    const ERRORS = [ // what is asked, status, code, part of the message
        ['getInfo of an unknown sandbox', () => manager.getSandboxInfo(NOBODY), 404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY],
        ['pause of an unknown sandbox', () => manager.pauseSandbox(NOBODY), 404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY],
        ['resume of an unknown sandbox', () => Sandbox.resume({ connectionConfig: connection(), ...nobody }), 404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY],
        ['connect to an unknown sandbox', () => Sandbox.connect({ connectionConfig: connection(), ...nobody }), 404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY],
        ['kill of an unknown sandbox', () => manager.killSandbox(NOBODY), 404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY],
        ['renew of an unknown sandbox', () => manager.renewSandbox(NOBODY, 60), 404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY],
        ['patch of an unknown sandbox', () => manager.patchSandboxMetadata(NOBODY, { a: 'b' }), 404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY],
        ['an unknown snapshot', () => manager.getSnapshot(NOBODY), 404, 'SNAPSHOT::NOT_FOUND', NOBODY],
        ['create from an unknown snapshot', () => create(idle, { image: undefined, snapshotId: NOBODY }), 404, 'SNAPSHOT::NOT_FOUND', NOBODY],
        ['create with a label value that is none', () => create(idle, { metadata: { project: 'Demo Test' } }), 400, 'SANDBOX::INVALID_METADATA_LABEL', 'project'],
        ['create with an egress policy', () => create(idle, { networkPolicy: {} }), 400, 'SANDBOX::INVALID_PARAMETER', 'egress'],
        ['create with secure access', () => create(idle, { secureAccess: true }), 400, 'SANDBOX::INVALID_PARAMETER', 'secureAccess'],
        ['a page that cannot be', () => manager.listSandboxInfos({ page: 0 }), 422, 'SANDBOX::INVALID_PARAMETER', 'page'],
    ]
    for (const [what, ask, statusCode, code, text] of ERRORS)
        test(`throws code, message, status and request id: ${what}`, async () => {
            const error = await refusal_of(ask())
            assert.deepEqual([error.statusCode, error.error.code], [statusCode, code], error.message)
            assert.ok(error.message.includes(text), error.message)
            assert.match(error.requestId, /^[0-9a-f]{32}$/)
        })

    test('throws 409 on a resume of what runs, with the message of the contract', async () => {
        const sandbox = await create(idle)
        const error = await refusal_of(manager.resumeSandbox(sandbox.id))
        assert.deepEqual([error.statusCode, error.error.code], [409, 'KUBERNETES::INVALID_STATE'])
        assert.match(error.message, /expected Paused/)
        await sandbox.kill()
    })

    test("carries the caller's own request id", async () => {
        const mine = SandboxManager.create({ connectionConfig: connection({ headers: { 'X-Request-ID': `mine-${run}` } }) })
        const error = await refusal_of(mine.getSandboxInfo(NOBODY))
        assert.equal(error.requestId, `mine-${run}`)
        await mine.close()
    })

    test('a wrong key is refused, and so is none', async () => {
        if (!service.key) return // this service asks for none
        for (const [apiKey, code] of [['wrong', 'INVALID_API_KEY'], [undefined, 'MISSING_API_KEY']]) {
            const stranger = SandboxManager.create({ connectionConfig: connection({ apiKey }) })
            const error = await refusal_of(stranger.listSandboxInfos())
            assert.deepEqual([error.statusCode, error.error.code], [401, code])
            await stranger.close()
        }
    })
})
