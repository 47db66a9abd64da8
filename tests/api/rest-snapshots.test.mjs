// Contract rest-api.md §12, §13 and §20 "Snapshots", "Pools".
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { create_body, idle, peer, EXECD_PORT } from './lib/peer.mjs'
import { NOBODY, rest, run, service, until } from './lib/service.mjs'
import { look_at, new_paused_sandbox, new_sandbox, new_snapshot, ours, pause, snapshot_will_go, until_snapshot, until_state, will_go } from './lib/sandboxes.mjs'
import { answered, check, DELETE, GET, POST, PUT, refused, row } from './lib/table.mjs'

const unknown = refused(404, 'SNAPSHOT::NOT_FOUND', NOBODY)
const take = (sandbox, body) => POST(`/v1/sandboxes/${sandbox}/snapshots`, body === undefined ? {} : { body })
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

describe('snapshots', { concurrency: 4 }, () => {
    let source
    before(async () => { source = await new_sandbox({}, peer) })
    const accepted = (more) => answered(202, { headers: { location: /^\/v1\/snapshots\/[0-9a-f-]{36}$/ }, json: { id: UUID, status: { state: 'Creating', reason: 'snapshot_accepted' }, createdAt: /Z$/, ...more },
        also: ({ json, headers }) => assert.equal(headers.location, `/v1/snapshots/${snapshot_will_go(json.id)}`) })

    test('a body may be missing, null, empty, or have a name', async () => {
        for (const [body, more] of [[undefined, {}], ['null', {}], [{}, {}], [{ name: 'named' }, { name: 'named' }]]) {
            const answer = await rest('POST', `/v1/sandboxes/${source}/snapshots`, { body })
            check(answer, accepted({ sandboxId: source, ...more }))
            await until_snapshot(answer.json.id, 'Ready')
        }
        assert.equal((await look_at(source)).status.state, 'Running')
    })
    row('an empty name is 422', () => take(source, { name: '' }), refused(422, 'SANDBOX::INVALID_PARAMETER', 'name'))
    row('a name that is a number is 422', () => take(source, { name: 5 }), refused(422, 'SANDBOX::INVALID_PARAMETER', 'name'))
    row('an unknown sandbox is 404', take(NOBODY, {}), refused(404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY))
    row('a get of an unknown one is 404', GET(`/v1/snapshots/${NOBODY}`), unknown)
    row('a delete of an unknown one is 404', DELETE(`/v1/snapshots/${NOBODY}`), unknown)

    test('a sandbox that is pausing is 409', async () => {
        const id = await new_sandbox()
        await pause(id)
        const answer = await rest('POST', `/v1/sandboxes/${id}/snapshots`)
        if (answer.status === 202) return snapshot_will_go(answer.json.id) // the pause was faster
        check(answer, refused(409, 'SNAPSHOT::INVALID_SOURCE_STATE'))
    })

    test('a snapshot of a paused sandbox is there at once, and restores', async () => {
        const id = await new_paused_sandbox()
        const snapshot = await new_snapshot(id)
        await until(async () => (await rest('GET', `/v1/snapshots/${snapshot}`)).json, ({ status }) => status.state === 'Ready', 'it is Ready', 5000)
        assert.equal((await look_at(id)).status.state, 'Paused')
        await new_sandbox({ image: undefined, snapshotId: snapshot })
    })

    test('lists by sandbox, state and name, page by page', async () => {
        const id = await new_sandbox()
        const [a, b] = [await new_snapshot(id, { name: 'a' }), null]
        await until_snapshot(a, 'Ready')
        const second = await new_snapshot(id, { name: 'b' })
        await until_snapshot(second, 'Ready')
        const ids = async (query) => (await rest('GET', `/v1/snapshots?sandboxId=${id}${query}`)).json.items.map((item) => item.id).sort()
        assert.deepEqual(await ids(''), [a, second].sort())
        assert.deepEqual(await ids('&state=Ready&state=Failed'), [a, second].sort())
        assert.deepEqual(await ids('&state=ready'), []) // exact case
        assert.deepEqual(await ids('&name=b'), [second])
        const { json } = await rest('GET', `/v1/snapshots?sandboxId=${id}&pageSize=1&page=2`)
        assert.deepEqual([json.items.length, json.pagination], [1, { page: 2, pageSize: 1, totalItems: 2, totalPages: 2, hasNextPage: false }])
        assert.deepEqual((await rest('GET', `/v1/snapshots?sandboxId=${NOBODY}`)).json.items, [])
    })
    row('page 0 is 422', GET('/v1/snapshots?page=0'), refused(422, 'SANDBOX::INVALID_PARAMETER', 'page'))
    row('201 on a page are 422', GET('/v1/snapshots?pageSize=201'), refused(422, 'SANDBOX::INVALID_PARAMETER', 'pageSize'))

    test('what is being made cannot be deleted nor restored; what is ready can; then it is gone', async () => {
        const snapshot = await new_snapshot(source)
        const early = await rest('DELETE', `/v1/snapshots/${snapshot}`)
        if (early.status !== 204) check(early, refused(409, 'SNAPSHOT::INVALID_STATE'))
        const unready = await rest('POST', '/v1/sandboxes', { body: create_body(idle, { image: undefined, snapshotId: snapshot, metadata: ours }) })
        if (unready.status === 202) will_go(unready.json.id)
        else check(unready, refused(409, 'SNAPSHOT::NOT_READY'))
        await until_snapshot(snapshot, 'Ready')
        check(await rest('GET', `/v1/snapshots/${snapshot}`), answered(200, { json: { status: { state: 'Ready', reason: 'snapshot_runtime_ready' }, sandboxId: source } }))
        check(await rest('DELETE', `/v1/snapshots/${snapshot}`), answered(204, { empty: true }))
        await until(() => rest('GET', `/v1/snapshots/${snapshot}`), ({ status }) => status === 404, 'it is gone')
    })

    test('a restored sandbox has the files, shows its snapshot and outlives its source', async () => {
        const id = await new_sandbox({}, peer)
        const snapshot = await new_snapshot(id)
        await until_snapshot(snapshot, 'Ready')
        await rest('DELETE', `/v1/sandboxes/${id}`)
        const restored = await new_sandbox({ image: undefined, snapshotId: snapshot, entrypoint: ['httpd', '-f', '-p', String(EXECD_PORT), '-h', '/srv/www'] })
        check(await rest('GET', `/v1/sandboxes/${restored}`), answered(200, { json: { snapshotId: snapshot, status: { state: 'Running' } }, absent: ['image'] }))
        const { endpoint } = (await rest('GET', `/v1/sandboxes/${restored}/endpoints/${EXECD_PORT}`)).json
        await until(() => rest('GET', '/ping', { base: `http://${endpoint}`, key: null }).catch(() => ({})), ({ text }) => text === 'pong\n', 'the file of the source is served')
    })

    test('without an entrypoint the restored sandbox just stays', async () => {
        const snapshot = await new_snapshot(source)
        await until_snapshot(snapshot, 'Ready')
        const answer = await rest('POST', '/v1/sandboxes', { body: { snapshotId: snapshot, resourceLimits: {}, metadata: ours } })
        check(answer, answered(202, { json: { entrypoint: ['tail', '-f', '/dev/null'], status: { state: 'Running' } } }))
        will_go(answer.json.id)
    })

    test('a request id makes a snapshot safe to repeat, racing or later', async () => {
        const options = { headers: { 'X-Request-ID': `snapshot-${run}` }, body: { name: 'once' } }
        const ask = () => rest('POST', `/v1/sandboxes/${source}/snapshots`, options)
        const answers = [...(await Promise.all([ask(), ask()])), await ask()]
        answers.forEach((answer) => check(answer, answered(202)))
        assert.equal(new Set(answers.map(({ json }) => snapshot_will_go(json.id))).size, 1)
        await until_snapshot(answers[0].json.id, 'Ready')
    })
})
