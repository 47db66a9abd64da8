// grpc-js, which knows of us only the .proto file, against the gRPC door: the scenario of sdk.test.mjs in the other tongue.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { randomUUID } from 'node:crypto'
import { idle } from './lib/peer.mjs'
import { call, close, ErrorInfo_of, health, lifecycle, status, watch, watch_snapshot } from './lib/grpc.mjs'
import { NOBODY, run, service, until } from './lib/service.mjs'

const opened = new Set()
after(async () => {
    await Promise.all([...opened].map((id) => call('DeleteSandbox', { id }).catch(() => {})))
    close()
})

const request = (more = {}) => ({ image: { uri: service.image }, entrypoint: idle.entrypoint, timeout_seconds: 600, ...more, metadata: { 'api-test': run, ...more.metadata } })

async function create(more) {
    const sandbox = await call('CreateSandbox', request(more))
    opened.add(sandbox.id)
    return sandbox
}

const state_of = async (id) => (await call('GetSandbox', { id })).status.state
// A watch announces every state: nobody has to ask again and again.
const until_state = (id, state) => watch(id, (event) => event.sandbox.status.state === state)

async function refusal_of(promise) {
    try {
        await promise
    } catch (error) {
        assert.ok(typeof error.code === 'number', String(error))
        return { code: error.code, text: error.details, info: ErrorInfo_of(error), metadata: error.metadata }
    }
    assert.fail('want a refusal, got an answer')
}

describe('grpc-js', { concurrency: 4 }, () => {
    test('creates, gets and deletes a sandbox', async () => {
        const made = await create({ metadata: { made: 'by-grpc' } })
        assert.equal(made.status.state, 'Running')
        const sandbox = await call('GetSandbox', { id: made.id })
        assert.deepEqual([sandbox.id, sandbox.metadata.made, sandbox.image.uri], [made.id, 'by-grpc', service.image])
        assert.equal(Number(sandbox.expires_at.seconds) - Number(sandbox.created_at.seconds) >= 599, true)
        await call('DeleteSandbox', { id: made.id })
        await until(() => call('GetSandbox', { id: made.id }).catch((error) => error), (last) => last.code === status.NOT_FOUND, 'it is gone')
    })

    test('pauses and resumes; a watch tells every state on the way', async () => {
        const { id } = await create()
        const states = new Set()
        const paused = watch(id, (event) => states.add(event.sandbox.status.state) && event.sandbox.status.state === 'Paused')
        const { generation } = await call('PauseSandbox', { id })
        const event = await paused
        assert.ok(states.has('Pausing') || states.has('Running'), [...states].join())
        assert.ok(Number(event.acknowledged_generation) >= Number(generation))
        assert.match(event.images[0].digest, /^sha256:[0-9a-f]{64}$/)
        await call('ResumeSandbox', { id })
        await until_state(id, 'Running')
        await call('DeleteSandbox', { id })
    })

    test('a watch ends with NOT_FOUND when the sandbox goes', async () => {
        const { id } = await create()
        const gone = refusal_of(watch(id, () => false, { onFirst: () => call('DeleteSandbox', { id }) }))
        assert.equal((await gone).code, status.NOT_FOUND)
    })

    test('lists by state and metadata, page by page', async () => {
        const group = `grpc-list-${run}`
        const [a, b] = await Promise.all(['1', '2'].map((n) => create({ metadata: { group, n } })))
        const list = (more) => call('ListSandboxes', { metadata: { group }, ...more })
        const ids = ({ items }) => items.map((item) => item.id).sort()
        assert.deepEqual(ids(await list()), [a.id, b.id].sort())
        assert.deepEqual(ids(await list({ metadata: { group, n: '2' } })), [b.id])
        assert.deepEqual(ids(await list({ states: ['Paused'] })), [])
        const page = await list({ page: 1, page_size: 1 })
        assert.deepEqual([page.items.length, page.pagination], [1, { page: 1, page_size: 1, total_items: 2, total_pages: 2, has_next_page: true }])
        await Promise.all([a, b].map(({ id }) => call('DeleteSandbox', { id })))
    })

    test('patches metadata', async () => {
        const { id } = await create({ metadata: { keep: '1', go: '1' } })
        const patched = await call('PatchMetadata', { id, set: { come: '1' }, remove: ['go'] })
        assert.deepEqual(patched.metadata, { 'api-test': run, keep: '1', come: '1' })
        await call('DeleteSandbox', { id })
    })

    test('renews', async () => {
        const { id } = await create()
        const seconds = Math.floor(Date.now() / 1000) + 3600
        const { expires_at } = await call('RenewSandbox', { id, expires_at: { seconds } })
        assert.equal(Number(expires_at.seconds), seconds)
        assert.equal(Number((await call('GetSandbox', { id })).expires_at.seconds), seconds)
        await call('DeleteSandbox', { id })
    })

    test('tells where a port can be reached', async () => {
        const { id } = await create()
        assert.match((await call('GetEndpoint', { id, port: 8080 })).endpoint, /^[0-9a-f.:]+:8080$/)
        await call('DeleteSandbox', { id })
    })

    test('makes a snapshot, creates from it and deletes it', async () => {
        const { id } = await create()
        const { id: snapshot_id } = await call('CreateSnapshot', { sandbox_id: id, name: `grpc-${run}` })
        const ready = await watch_snapshot(snapshot_id, (snapshot) => snapshot.status.state === 'Ready')
        assert.match(ready.images[0].digest, /^sha256:[0-9a-f]{64}$/)
        const { items } = await call('ListSnapshots', { sandbox_id: id, states: ['Ready'] })
        assert.deepEqual(items.map((item) => item.id), [snapshot_id])
        await call('DeleteSandbox', { id })
        const restored = await create({ image: undefined, snapshot_id })
        assert.equal(restored.snapshot_id, snapshot_id)
        assert.equal((await call('GetSandbox', { id: restored.id })).snapshot_id, snapshot_id)
        await call('DeleteSandbox', { id: restored.id })
        const gone = await refusal_of(watch_snapshot(snapshot_id, () => false, { onFirst: () => call('DeleteSnapshot', { id: snapshot_id }) }))
        assert.equal(gone.code, status.NOT_FOUND, gone.text)
        assert.equal(gone.info.reason, 'SNAPSHOT::NOT_FOUND')
    })

    test('a snapshot of a paused sandbox is ready at once', async () => {
        const { id } = await create()
        await call('PauseSandbox', { id })
        await until_state(id, 'Paused')
        const { id: snapshot_id } = await call('CreateSnapshot', { sandbox_id: id })
        await until(() => call('GetSnapshot', { id: snapshot_id }), (snapshot) => snapshot.status.state === 'Ready', 'the snapshot is Ready', 5000)
        await call('DeleteSnapshot', { id: snapshot_id })
        await call('DeleteSandbox', { id })
    })

    test('describes a sandbox: pods, conditions, snapshots', async () => {
        const { id } = await create()
        const described = await call('DescribeSandbox', { id })
        assert.equal(described.sandbox.id, id)
        assert.equal(described.pods[0].containers[0].name, 'sandbox')
        assert.equal(described.pods[0].containers[0].state, 'running')
        await call('DeleteSandbox', { id })
    })

    test('a request id makes create, pause and resume safe to repeat', async () => {
        const body = request({ request_id: randomUUID() })
        const [a, b] = await Promise.all([call('CreateSandbox', body), call('CreateSandbox', body)])
        opened.add(a.id)
        assert.equal(a.id, b.id)
        const pause = { id: a.id, request_id: randomUUID() }
        const [first, second] = await Promise.all([call('PauseSandbox', pause), call('PauseSandbox', pause)])
        assert.equal(first.generation, second.generation)
        await until_state(a.id, 'Paused')
        assert.equal((await call('PauseSandbox', pause)).generation, first.generation)
        const resume = { id: a.id, request_id: randomUUID() }
        assert.equal((await call('ResumeSandbox', resume)).generation, (await call('ResumeSandbox', resume)).generation)
        await call('DeleteSandbox', { id: a.id })
    })

    const ERRORS = [ // what is asked, status, reason of the ErrorInfo
        ['an unknown sandbox', () => call('GetSandbox', { id: NOBODY }), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['a pause of an unknown sandbox', () => call('PauseSandbox', { id: NOBODY }), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['a resume of an unknown sandbox', () => call('ResumeSandbox', { id: NOBODY }), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['a delete of an unknown sandbox', () => call('DeleteSandbox', { id: NOBODY }), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['a watch of an unknown sandbox', () => watch(NOBODY, () => true), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['the endpoint of an unknown sandbox', () => call('GetEndpoint', { id: NOBODY, port: 80 }), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['a port that cannot be', () => call('GetEndpoint', { id: NOBODY, port: 65536 }), status.INVALID_ARGUMENT, 'DOCKER::INVALID_PORT'],
        ['a renewal of an unknown sandbox', () => call('RenewSandbox', { id: NOBODY, expires_at: { seconds: 4_000_000_000 } }), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['an expiry in the past', () => call('RenewSandbox', { id: NOBODY, expires_at: { seconds: 1 } }), status.INVALID_ARGUMENT, 'DOCKER::INVALID_EXPIRATION'],
        ['a patch of an unknown sandbox', () => call('PatchMetadata', { id: NOBODY, set: { a: 'b' } }), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['an unknown snapshot', () => call('GetSnapshot', { id: NOBODY }), status.NOT_FOUND, 'SNAPSHOT::NOT_FOUND'],
        ['a snapshot of an unknown sandbox', () => call('CreateSnapshot', { sandbox_id: NOBODY }), status.NOT_FOUND, 'KUBERNETES::SANDBOX_NOT_FOUND'],
        ['a watch of an unknown snapshot', () => watch_snapshot(NOBODY, () => true), status.NOT_FOUND, 'SNAPSHOT::NOT_FOUND'],
        ['the deletion of an unknown snapshot', () => call('DeleteSnapshot', { id: NOBODY }), status.NOT_FOUND, 'SNAPSHOT::NOT_FOUND'],
        ['a create without image and snapshot', () => call('CreateSandbox', { entrypoint: ['x'] }), status.INVALID_ARGUMENT, 'SANDBOX::INVALID_PARAMETER'],
        ['a timeout of 59 seconds', () => create({ timeout_seconds: 59 }), status.INVALID_ARGUMENT, 'SANDBOX::INVALID_PARAMETER'],
        ['a label value that is none', () => create({ metadata: { a: 'Demo Test' } }), status.INVALID_ARGUMENT, 'SANDBOX::INVALID_METADATA_LABEL'],
        ['a page that cannot be', () => call('ListSandboxes', { page: -1 }), status.INVALID_ARGUMENT, 'SANDBOX::INVALID_PARAMETER'],
    ]
    for (const [what, ask, code, reason] of ERRORS)
        test(`has an ErrorInfo that names the contract's code: ${what}`, async () => {
            const refusal = await refusal_of(ask())
            assert.equal(refusal.code, code, refusal.text)
            assert.deepEqual([refusal.info.domain, refusal.info.reason], ['stasis', reason], refusal.text)
            assert.ok(refusal.text.length > 0)
        })

    test('a resume of what runs is FAILED_PRECONDITION', async () => {
        const { id } = await create()
        const refusal = await refusal_of(call('ResumeSandbox', { id }))
        assert.deepEqual([refusal.code, refusal.info.reason], [status.FAILED_PRECONDITION, 'KUBERNETES::INVALID_STATE'])
        assert.match(refusal.text, /expected Paused/)
        await call('DeleteSandbox', { id })
    })

    test('a deadline ends a watch that nobody else ends', async () => {
        const { id } = await create()
        const refusal = await refusal_of(watch(id, () => false, { deadline_ms: 300 }))
        assert.equal(refusal.code, status.DEADLINE_EXCEEDED)
        await call('DeleteSandbox', { id })
    })

    test('a create that its deadline cuts off leaves no sandbox', async () => {
        const group = `cut-${run}`
        const refusal = await refusal_of(call('CreateSandbox', request({ metadata: { group } }), { deadline_ms: 60 }))
        assert.equal(refusal.code, status.DEADLINE_EXCEEDED)
        await until(() => call('ListSandboxes', { metadata: { group } }), ({ items }) => items.length === 0, 'none is left')
    })

    test('a wrong key is UNAUTHENTICATED, and so is none', async () => {
        if (!service.key) return // this service asks for none
        for (const [key, reason] of [['wrong', 'INVALID_API_KEY'], [null, 'MISSING_API_KEY']]) {
            const refusal = await refusal_of(call('ListSandboxes', {}, { key }))
            assert.deepEqual([refusal.code, refusal.info.reason], [status.UNAUTHENTICATED, reason])
        }
    })

    test('health is SERVING, for the server and for its service, and needs no key', async () => {
        for (const name of ['', 'opensandbox.lifecycle.v1.Lifecycle'])
            assert.equal((await health(name)).status, 'SERVING')
    })

    test('a method that is not there is UNIMPLEMENTED', async () => {
        const refusal = await refusal_of(new Promise((resolve, reject) => {
            const pass = (bytes) => bytes
            lifecycle.makeUnaryRequest('/opensandbox.lifecycle.v1.Lifecycle/Dance', pass, pass, Buffer.alloc(0), (error, answer) => error ? reject(error) : resolve(answer))
        }))
        assert.equal(refusal.code, status.UNIMPLEMENTED)
    })
})
