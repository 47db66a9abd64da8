// Contract rest-api.md §5 to §10 and §20 "Get / list / state", "Pause / resume", "Renew / metadata / delete".
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { create_body, idle } from './lib/peer.mjs'
import { NOBODY, rest, run, until } from './lib/service.mjs'
import { look_at, new_paused_sandbox, new_sandbox, ours, pause, resume, until_state, will_go } from './lib/sandboxes.mjs'
import { answered, check, DELETE, GET, PATCH, POST, refused, row } from './lib/table.mjs'

const unknown = refused(404, 'KUBERNETES::SANDBOX_NOT_FOUND', NOBODY)
const wrong_state = (...texts) => refused(409, 'KUBERNETES::INVALID_STATE', texts)
const in_seconds = (seconds) => new Date(Date.now() + 1000 * seconds).toISOString()
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

describe('get', { concurrency: true }, () => {
    let id
    before(async () => { id = await new_sandbox({ timeout: 600, metadata: { project: 'demo' } }) })
    row('shows the sandbox as it is', () => GET(`/v1/sandboxes/${id}`), () => answered(200, {
        json: { id, status: { state: 'Running', reason: 'RUNNING', message: 'Sandbox is running', lastTransitionAt: TIME }, createdAt: TIME, expiresAt: TIME, metadata: { ...ours, project: 'demo' }, image: { uri: /./ }, entrypoint: Array.isArray },
        absent: ['snapshotId', 'platform'] }))
    row('without /v1 too', () => GET(`/sandboxes/${id}`), () => answered(200, { json: { id } }))
    row('an unknown id is 404, flat', GET(`/v1/sandboxes/${NOBODY}`), unknown)
    row('an id that no name can be is 404', GET('/v1/sandboxes/..%2f..%2fetc'), answered([404, 400]))
    row('a very long id is 404', GET(`/v1/sandboxes/${'x'.repeat(4000)}`), answered([404, 400]))
})

describe('list', { concurrency: true }, () => {
    const group = `rest-list-${run}`
    const filter = (more) => encodeURIComponent(new URLSearchParams({ group, ...more }).toString())
    const list = (query) => GET(`/v1/sandboxes?metadata=${query}`)
    const ids = (...wanted) => ({ also: ({ json }) => assert.deepEqual(json.items.map((item) => item.id), wanted.map((n) => made[n])) })
    const made = []
    before(async () => { // one after the other: their order is asked for
        for (const more of [{ metadata: { group, n: '0', blank: '' } }, { metadata: { group, n: '1', 'a.b/c': 'd' } }, { metadata: { group, n: '2' } }]) {
            made.push(await new_sandbox(more))
            await new Promise((resolve) => setTimeout(resolve, 1100)) // creation times are whole seconds
        }
        await pause(made[1])
        await until_state(made[1], 'Paused')
    })
    row('newest first', () => list(filter()), () => answered(200, { json: { pagination: { page: 1, pageSize: 20, totalItems: 3, totalPages: 1, hasNextPage: false } }, ...ids(2, 1, 0) }))
    row('one state', () => list(`${filter()}&state=Paused`), () => answered(200, ids(1)))
    row('a state in other letters', () => list(`${filter()}&state=pAUSED`), () => answered(200, ids(1)))
    row('several states are any of them', () => list(`${filter()}&state=Paused&state=Running`), () => answered(200, ids(2, 1, 0)))
    row('a state that nobody has', () => list(`${filter()}&state=Failed`), () => answered(200, { json: { pagination: { totalItems: 0, totalPages: 0, hasNextPage: false } }, ...ids() }))
    row('several pairs are all of them', () => list(filter({ n: '2' })), () => answered(200, ids(2)))
    row('a blank value counts', () => list(filter({ blank: '' })), () => answered(200, ids(0)))
    row('a key with a prefix', () => list(filter({ 'a.b/c': 'd' })), () => answered(200, ids(1)))
    row('a filter that is encoded pair by pair and then whole', () => list(encodeURIComponent(`group=${encodeURIComponent(group)}&${encodeURIComponent('a.b/c')}=d`)), () => answered(200, ids(1)))
    row('the last of two equal keys wins', () => list(encodeURIComponent(`group=${group}&n=0&n=2`)), () => answered(200, ids(2)))
    row('an invalid escape stays what it is', () => list(encodeURIComponent(`group=${group}&n=%zz`)), () => answered(200, ids()))
    row('a page', () => list(`${filter()}&page=2&pageSize=2`), () => answered(200, { json: { pagination: { page: 2, pageSize: 2, totalItems: 3, totalPages: 2, hasNextPage: false } }, ...ids(0) }))
    row('a page with more behind it', () => list(`${filter()}&pageSize=1`), () => answered(200, { json: { pagination: { totalPages: 3, hasNextPage: true } }, ...ids(2) }))
    row('a page past the end is empty', () => list(`${filter()}&page=9`), () => answered(200, { json: { pagination: { page: 9, totalItems: 3 } }, ...ids() }))
    row('200 on a page are allowed', () => list(`${filter()}&pageSize=200`), () => answered(200, { json: { pagination: { pageSize: 200 } } }))
    for (const query of ['page=0', 'page=-1', 'page=x', 'pageSize=0', 'pageSize=201', 'pageSize=1.5', 'page=99999999999999999999'])
        row(`${query} is 422`, GET(`/v1/sandboxes?${query}`), refused(422, 'SANDBOX::INVALID_PARAMETER'))
    for (const value of ['no-equals', 'a=b&', '&a=b', 'a=b&&c=d'])
        row(`the filter "${value}" is 400`, GET(`/v1/sandboxes?metadata=${encodeURIComponent(value)}`), refused(400, 'INVALID_METADATA_FORMAT', 'bad query field'))
    test('many lists at once', async () => {
        const answers = await Promise.all(Array.from({ length: 32 }, () => rest('GET', `/v1/sandboxes?metadata=${filter()}`)))
        assert.ok(answers.every(({ json }) => json.items.length === 3))
    })
})

describe('pause and resume', { concurrency: 4 }, () => {
    row('a pause of an unknown sandbox', POST(`/v1/sandboxes/${NOBODY}/pause`), unknown)
    row('a resume of an unknown sandbox', POST(`/v1/sandboxes/${NOBODY}/resume`), unknown)
    row('a resume of what runs', async () => POST(`/v1/sandboxes/${await new_sandbox()}/resume`), wrong_state('expected Paused'))

    test('every state on the way answers as the table says', async () => {
        const id = await new_sandbox()
        check(await rest('POST', `/v1/sandboxes/${id}/pause`, { headers: { 'Content-Type': 'application/json' } }), answered(202, { empty: true, headers: { 'content-length': '0' } }))
        const during = await Promise.all(['pause', 'resume'].map((verb) => rest('POST', `/v1/sandboxes/${id}/${verb}`)))
        for (const answer of during) check(answer, wrong_state())
        assert.match(during[0].json.message, /operation in progress|already paused/)
        assert.match(during[1].json.message, /operation in progress|expected Paused/) // its phase may not say so yet
        const paused = await until_state(id, 'Paused')
        assert.deepEqual([paused.status.reason, paused.status.message], ['PAUSED', 'Sandbox is paused'])
        check(await rest('POST', `/v1/sandboxes/${id}/pause`), wrong_state('already paused'))
        check(await rest('POST', `/v1/sandboxes/${id}/resume`), answered(202, { empty: true, headers: { 'content-length': '0' } }))
        check(await rest('POST', `/v1/sandboxes/${id}/pause`), wrong_state())
        await until_state(id, 'Running')
    })

    test('two racing pauses without an id: one is accepted', async () => {
        const id = await new_sandbox()
        const statuses = (await Promise.all([1, 2].map(() => rest('POST', `/v1/sandboxes/${id}/pause`)))).map((answer) => answer.status)
        assert.deepEqual(statuses.sort(), [202, 409])
        await until_state(id, 'Paused')
    })

    test('a request id makes a pause and a resume safe to repeat, at once and later', async () => {
        const id = await new_sandbox()
        for (const [verb, state] of [['pause', 'Paused'], ['resume', 'Running']]) {
            const headers = { 'X-Request-ID': `${verb}-${id}` }
            const ask = () => rest('POST', `/v1/sandboxes/${id}/${verb}`, { headers })
            for (const answer of await Promise.all([ask(), ask(), ask()])) check(answer, answered(202, { empty: true, headers: { 'x-request-id': headers['X-Request-ID'] } }))
            await until_state(id, state)
            check(await ask(), answered(202, { empty: true }))
            assert.equal((await look_at(id)).status.state, state)
        }
        check(await rest('POST', `/v1/sandboxes/${id}/resume`, { headers: { 'X-Request-ID': 'another' } }), wrong_state('expected Paused'))
    })

    test('a request id makes a create safe to repeat', async () => {
        const options = { body: create_body(idle, { metadata: ours }), headers: { 'X-Request-ID': `create-${run}` } }
        const answers = await Promise.all([1, 2, 3].map(() => rest('POST', '/v1/sandboxes', options)))
        answers.forEach((answer) => check(answer, answered(202)))
        const ids = new Set(answers.map(({ json }) => will_go(json.id)))
        assert.equal(ids.size, 1)
        const later = await rest('POST', '/v1/sandboxes', options)
        assert.ok(ids.has(later.json.id), later.text)
        check(await rest('POST', '/v1/sandboxes', { ...options, body: create_body(idle, { metadata: { ...ours, other: 'yes' } }) }), refused(400, 'SANDBOX::INVALID_PARAMETER', 'X-Request-ID'))
    })

    test('an id that the server made is no promise: the next create makes another', async () => {
        assert.notEqual(await new_sandbox(), await new_sandbox())
    })

    test('the time to live stands still while paused, and goes on with what was left', async () => {
        const id = await new_sandbox({ timeout: 600 })
        const left = async () => Date.parse((await look_at(id)).expiresAt) - Date.now()
        const soon = await rest('POST', `/v1/sandboxes/${id}/renew-expiration`, { body: { expiresAt: in_seconds(8) } })
        check(soon, answered(200))
        await pause(id)
        await until_state(id, 'Paused')
        await new Promise((resolve) => setTimeout(resolve, 8500)) // past the moment it would have gone
        assert.equal((await look_at(id)).status?.state, 'Paused')
        await resume(id)
        await until_state(id, 'Running')
        await until(left, (ms) => ms > 0, 'something is left', 5000)
        await until(() => rest('GET', `/v1/sandboxes/${id}`), ({ status }) => status === 404, 'it goes when its time is over', 20_000)
    })
})

describe('renew', { concurrency: true }, () => {
    let id, endless, paused
    const renew = (sandbox, body) => POST(`/v1/sandboxes/${sandbox}/renew-expiration`, { body })
    before(async () => { [id, endless, paused] = await Promise.all([new_sandbox({ timeout: 600 }), new_sandbox(), new_paused_sandbox({ timeout: 600 })]) })
    row('tells the new time, in UTC', () => renew(id, { expiresAt: '2099-01-01T02:00:00.123+02:00' }), answered(200, { json: { expiresAt: /^2099-01-01T00:00:0(0(\.123(000)?)?|1)Z$/ } }))
    row('a time without offset is UTC', () => renew(id, { expiresAt: '2098-01-01T00:00:00' }), answered(200, { json: { expiresAt: '2098-01-01T00:00:00Z' } }))
    row('a paused sandbox can be renewed, and stays Paused', () => renew(paused, { expiresAt: in_seconds(3600) }), answered(200))
    test('a renewed paused sandbox is still there, and resumes', async () => {
        assert.equal((await look_at(paused)).status.state, 'Paused')
        await resume(paused)
        await until_state(paused, 'Running')
    })
    test('renewing what came back does not pause it again', async () => {
        await until_state(paused, 'Running')
        check(await rest('POST', `/v1/sandboxes/${paused}/renew-expiration`, { body: { expiresAt: in_seconds(7200) } }), answered(200))
        assert.equal((await look_at(paused)).status.state, 'Running')
    })
    row('a time in the past is 400', () => renew(id, { expiresAt: '2001-01-01T00:00:00Z' }), refused(400, 'DOCKER::INVALID_EXPIRATION'))
    row('the past is told before the sandbox is looked for', renew(NOBODY, { expiresAt: '2001-01-01T00:00:00Z' }), refused(400, 'DOCKER::INVALID_EXPIRATION'))
    row('a sandbox without expiry is 409', () => renew(endless, { expiresAt: in_seconds(3600) }), refused(409, 'DOCKER::INVALID_EXPIRATION'))
    row('an unknown sandbox is 404', renew(NOBODY, { expiresAt: '2099-01-01T00:00:00Z' }), unknown)
    for (const expiresAt of ['soon', '2099-13-01T00:00:00Z', '2099-01-01', 5, null, ''])
        row(`expiresAt ${JSON.stringify(expiresAt)} is 422`, () => renew(id, { expiresAt }), refused(422, 'SANDBOX::INVALID_PARAMETER', 'expiresAt'))
    row('no expiresAt is 422', () => renew(id, {}), refused(422, 'SANDBOX::INVALID_PARAMETER', 'expiresAt'))
})

describe('metadata', () => { // one after the other: they are about one sandbox
    let id
    const patch = (body, sandbox = id) => PATCH(`/v1/sandboxes/${sandbox}/metadata`, { body })
    const shows = (more) => answered(200, { json: { status: { state: 'Running' } }, also: ({ json }) => assert.deepEqual(json.metadata, { ...ours, ...more }) })
    before(async () => { id = await new_sandbox({ metadata: { a: '1', b: '1' } }) })
    row('sets', () => patch({ c: '1' }), shows({ a: '1', b: '1', c: '1' }))
    row('replaces', () => patch({ a: '2' }), shows({ a: '2', b: '1', c: '1' }))
    row('removes', () => patch({ b: null, never: null }), shows({ a: '2', c: '1' }))
    row('all of it in one', () => patch({ a: null, c: '2', 'x.y/z': '' }), shows({ c: '2', 'x.y/z': '' }))
    row('nothing is a change of nothing', () => patch({}), shows({ c: '2', 'x.y/z': '' }))
    row('a reserved key is 400 with its own code', () => patch({ 'opensandbox.io/id': 'x' }), refused(400, 'INVALID_METADATA_LABEL', 'opensandbox.io/'))
    row('a reserved key is 400 even to remove', () => patch({ 'opensandbox.io/id': null }), refused(400, 'INVALID_METADATA_LABEL'))
    row('a value that is none is 400', () => patch({ a: 'Demo Test' }), refused(400, 'SANDBOX::INVALID_METADATA_LABEL', 'a'))
    row('an unknown sandbox is 404, before anything else', () => patch({ 'opensandbox.io/id': 'x' }, NOBODY), unknown)
    for (const body of ['[]', '"a"', '{"a":1}', '{"a":{}}', '{'])
        row(`${body} is 422`, () => patch(body), refused(422, 'SANDBOX::INVALID_PARAMETER'))
    row('and after all that', () => GET(`/v1/sandboxes/${id}`), shows({ c: '2', 'x.y/z': '' }))
})

describe('delete', { concurrency: true }, () => {
    row('an unknown sandbox is 404', DELETE(`/v1/sandboxes/${NOBODY}`), unknown)
    const OF = { 'a running sandbox': new_sandbox, 'a paused sandbox': new_paused_sandbox, 'a pausing sandbox': async () => { const id = await new_sandbox(); await pause(id); return id } }
    for (const [what, make] of Object.entries(OF))
        test(`${what} goes: 204 without a body, Stopping for a while, then 404`, async () => {
            const id = await make()
            check(await rest('DELETE', `/v1/sandboxes/${id}`), answered(204, { empty: true }))
            await until(async () => {
                const answer = await rest('GET', `/v1/sandboxes/${id}`)
                if (answer.status === 200) assert.equal(answer.json.status.state, 'Stopping')
                return answer
            }, ({ status }) => status === 404, `${id} is gone`)
        })
})
