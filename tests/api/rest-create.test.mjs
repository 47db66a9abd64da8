// Contract rest-api.md §3.1, §3.2, §4, §9 (label rules) and §20 "Create".
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create_body, idle, peer, PORT } from './lib/peer.mjs'
import { NOBODY, open, rest, service, until } from './lib/service.mjs'
import { new_sandbox, ours, will_go } from './lib/sandboxes.mjs'
import { answered, POST, refused, row } from './lib/table.mjs'

const post = (body) => POST('/v1/sandboxes', { body })
const create = (more) => post(create_body(idle, { ...more, metadata: { ...ours, ...more?.metadata } }))
const without = (...names) => { const body = create_body(idle); for (const name of names) delete body[name]; return body }
const schema = (text) => refused(422, 'SANDBOX::INVALID_PARAMETER', text)
const invalid = (text) => refused(400, 'SANDBOX::INVALID_PARAMETER', text)
const goes = (answer) => will_go(answer.json.id)
const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

describe('what is created', { concurrency: 4 }, () => {
    row('an image: 202 with id, status, metadata and the entrypoint that was asked for', create({ timeout: 600, metadata: { project: 'demo' } }),
        answered(202, { json: { id: UUID4, status: { state: 'Running', reason: 'RUNNING' }, metadata: { project: 'demo' }, entrypoint: idle.entrypoint, createdAt: TIME, expiresAt: TIME }, absent: ['image', 'snapshotId'], also: goes }))
    row('without a timeout there is no expiry', create(), answered(202, { absent: ['expiresAt', 'platform'], also: goes }))
    row('a null timeout is none', create({ timeout: null }), answered(202, { absent: ['expiresAt'], also: goes }))
    row('without metadata there is none', post(create_body(idle)), answered(202, { absent: ['metadata'], also: goes }))
    row('a large timeout is accepted', create({ timeout: 100_000_000 }), answered(202, { also: goes }))
    row('60 seconds are enough', create({ timeout: 60 }), answered(202, { also: goes }))
    row('what SDKs send of features that are off is accepted', create({ secureAccess: false, extensions: {}, credentialProxy: { enabled: false }, volumes: [] }), answered(202, { also: goes }))
    row('a null among env values is accepted', create({ env: { A: null } }), answered(202, { also: goes }))
    row('a blank poolRef is none', create({ extensions: { poolRef: '  ' } }), answered(202, { also: goes }))
    row('a blank snapshotId is none', create({ snapshotId: ' ' }), answered(202, { also: goes }))
    row('limits and requests are accepted', create({ resourceLimits: { cpu: '500m', memory: '64Mi' }, resourceRequests: { cpu: '10m' } }), answered(202, { also: goes }))
    row('a gpu that is none is dropped', create({ resourceLimits: { gpu: '0' } }), answered(202, { also: goes }))
    row('linux on this machine is accepted in any case', create({ platform: { os: ' Linux ', arch: process.arch === 'x64' ? 'AMD64' : 'ARM64' } }),
        answered(202, { json: { platform: { os: 'linux' } }, also: goes }))
    row('an expiry extension of 300 is accepted, trimmed', create({ extensions: { 'access.renew.extend.seconds': ' 300 ' } }), answered(202, { also: goes }))
    row('an expiry extension of 86400 is accepted', create({ extensions: { 'access.renew.extend.seconds': '86400' } }), answered(202, { also: goes }))
    row('a label key of full length is accepted', create({ metadata: { [`${'p.'.repeat(126)}p/${'n'.repeat(63)}`]: 'v'.repeat(63) } }), answered(202, { also: goes }))
    row('an empty label value is accepted', create({ metadata: { empty: '' } }), answered(202, { json: { metadata: { empty: '' } }, also: goes }))

    test('env is what the process sees', async () => {
        const id = await new_sandbox({ env: { GREETING: 'hello', EMPTY: '' } }, peer)
        const { endpoint } = (await rest('GET', `/v1/sandboxes/${id}/endpoints/${PORT}`)).json
        const { text } = await rest('GET', '/env', { base: `http://${endpoint}`, key: null })
        assert.match(text, /^GREETING=hello$/m)
        assert.match(text, /^EMPTY=$/m)
    })

    test('a create whose caller goes away leaves nothing', async () => {
        const mark = { 'gone-caller': NOBODY.slice(0, 8), ...ours }
        const request = open('POST', '/v1/sandboxes', { headers: { 'Content-Type': 'application/json' } })
        request.on('error', () => {})
        request.end(JSON.stringify(create_body(idle, { image: { uri: 'registry.invalid/none:1' }, metadata: mark })))
        await new Promise((resolve) => setTimeout(resolve, 500))
        request.destroy()
        const filter = encodeURIComponent(Object.entries(mark).map((pair) => pair.join('=')).join('&'))
        await until(() => rest('GET', `/v1/sandboxes?metadata=${filter}`), ({ json }) => json.items.length === 0, 'none is left', 20_000)
    })

    test('an image that cannot be had is a failure that says so, and leaves nothing', async () => {
        const mark = { 'no-image': 'yes', ...ours }
        const answer = await rest('POST', '/v1/sandboxes', { body: create_body({ entrypoint: ['x'] }, { image: { uri: `${service.image.split('/')[0]}/none:1` }, metadata: mark }) })
        assert.ok([500, 504].includes(answer.status), answer.text)
        assert.match(answer.json.code, /^KUBERNETES::POD_(FAILED|READY_TIMEOUT)$/)
        const { json } = await rest('GET', `/v1/sandboxes?metadata=${encodeURIComponent('no-image=yes&api-test=' + ours['api-test'])}&state=Running&state=Pending&state=Failed`)
        assert.deepEqual(json.items, [])
    })

    test('credentials of the image are nowhere to be read', async () => {
        const id = await new_sandbox({ image: { uri: service.image, auth: { username: 'someone', password: 'hush-hush' } } })
        assert.ok(!(await rest('GET', `/v1/sandboxes/${id}`)).text.includes('hush'))
    })
})

describe('what is not created', { concurrency: true }, () => {
    row('a timeout of 10 is 422', create({ timeout: 10 }), schema('timeout'))
    row('a timeout of 0 is 422', create({ timeout: 0 }), schema('timeout'))
    row('a timeout of 59 is 422', create({ timeout: 59 }), schema('timeout'))
    row('a timeout that is a text is 422', create({ timeout: '600' }), schema('timeout'))
    row('a timeout that no date can show is 400', create({ timeout: 9_000_000_000_000_000 }), invalid('timeout'))
    row('neither image nor snapshot is 422', post(without('image')), schema())
    row('a blank image is none', create({ image: { uri: ' ' } }), schema())
    row('image and snapshot together are 422', create({ snapshotId: NOBODY }), schema('snapshotId'))
    row('an image without an entrypoint is 422', post(without('entrypoint')), schema('entrypoint'))
    row('an empty entrypoint is 422', create({ entrypoint: [] }), schema('entrypoint'))
    row('an entrypoint that is a text is 422', create({ entrypoint: 'sh' }), schema('entrypoint'))
    row('missing limits are 422', post(without('resourceLimits')), schema('resourceLimits'))
    row('a limit that is a number is 422', create({ resourceLimits: { cpu: 1 } }), schema('resourceLimits'))
    row('metadata that is a number is 422', create({ metadata: { a: 1 } }), schema('metadata'))
    row('image credentials without a password are 422', create({ image: { uri: 'x', auth: { username: 'a' } } }), schema('password'))
    row('a pool together with a snapshot is 422', post({ extensions: { poolRef: 'a' }, snapshotId: NOBODY }), schema('snapshotId'))
    row('a pool together with a credential proxy is 422', post({ extensions: { poolRef: 'a' }, credentialProxy: { enabled: true } }), schema('credentialProxy'))
    // 501 where there are no pools at all.
    row('a pool together with a platform is refused', post({ extensions: { poolRef: 'a' }, platform: { os: 'linux', arch: 'amd64' } }), answered([400, 501]))
    row('a pool together with volumes is refused', post({ extensions: { poolRef: 'a' }, volumes: [{ name: 'a', mountPath: '/a', pvc: { claimName: 'a' } }] }), answered([400, 501]))
    row('an unknown snapshot is 404', post({ ...without('image'), snapshotId: NOBODY }), refused(404, 'SNAPSHOT::NOT_FOUND', NOBODY))
    row('an unknown operating system is 400', create({ platform: { os: 'plan9', arch: 'amd64' } }), invalid('platform'))
    row('an unknown processor is 400', create({ platform: { os: 'linux', arch: 'sparc' } }), invalid('platform'))
    row('all gpus are 400', create({ resourceLimits: { gpu: 'all' } }), invalid('gpu'))
    for (const seconds of ['299', '86401', '300.5', 'soon', '', '-300'])
        row(`an expiry extension of "${seconds}" is 400`, create({ extensions: { 'access.renew.extend.seconds': seconds } }), invalid('access.renew.extend.seconds'))
})

describe('labels', { concurrency: true }, () => {
    const label = (text) => refused(400, 'SANDBOX::INVALID_METADATA_LABEL', text)
    const RULES = [ // what, key, value
        ['a name of 64 characters', 'n'.repeat(64), 'v'],
        ['a prefix of 254 characters', `${'p'.repeat(63)}.${'p'.repeat(63)}.${'p'.repeat(63)}.${'p'.repeat(62)}/n`, 'v'],
        ['a prefix that is no domain', 'Pre_fix/n', 'v'],
        ['an empty prefix', '/n', 'v'],
        ['an empty name', 'p/', 'v'],
        ['an empty key', '', 'v'],
        ['two slashes', 'a/b/c', 'v'],
        ['a name that begins with a dash', '-n', 'v'],
        ['a reserved key', 'opensandbox.io/id', 'v'],
        ['a value of 64 characters', 'n', 'v'.repeat(64)],
        ['a value with a blank', 'n', 'Demo Test'],
        ['a value that ends with a dot', 'n', 'v.'],
        ['a value that ends with a newline', 'n', 'v\n'],
    ]
    for (const [what, key, value] of RULES) row(`${what} is refused`, create({ metadata: { [key]: value } }), label())
})

describe('volumes', { concurrency: true }, () => {
    const volumes = (...list) => create({ volumes: list })
    const claim = { pvc: { claimName: 'c' } }
    const volume = (code, text) => refused(400, `VOLUME::${code}`, text)
    row('a name that is none', volumes({ name: 'A_b', mountPath: '/a', ...claim }), volume('INVALID_NAME', 'volumes[0].name'))
    row('a name of 64 characters', volumes({ name: 'a'.repeat(64), mountPath: '/a', ...claim }), volume('INVALID_NAME'))
    row('a name twice', volumes({ name: 'a', mountPath: '/a', ...claim }, { name: 'a', mountPath: '/b', ...claim }), volume('DUPLICATE_NAME', 'a'))
    row('a mount path that is not absolute', volumes({ name: 'a', mountPath: 'a', ...claim }), volume('INVALID_MOUNT_PATH'))
    row('a sub path that leads out', volumes({ name: 'a', mountPath: '/a', subPath: 'x/../..', ...claim }), volume('INVALID_SUB_PATH'))
    row('a sub path that is absolute', volumes({ name: 'a', mountPath: '/a', subPath: '/x', ...claim }), volume('INVALID_SUB_PATH'))
    row('a claim name that is none', volumes({ name: 'a', mountPath: '/a', pvc: { claimName: 'A' } }), volume('INVALID_PVC_NAME'))
    row('a host path that leads out', volumes({ name: 'a', mountPath: '/a', host: { path: '/x/../etc' } }), volume('INVALID_HOST_PATH'))
    row('a host path that nobody allowed', volumes({ name: 'a', mountPath: '/a', host: { path: '/etc' } }), volume('HOST_PATH_NOT_ALLOWED', 'volumes[0].host.path'))
    row('no backend is 422', volumes({ name: 'a', mountPath: '/a' }), schema())
    row('two backends are 422', volumes({ name: 'a', mountPath: '/a', ...claim, host: { path: '/x' } }), schema())
    row('the name of the internal volume is refused', volumes({ name: 'opensandbox-bin', mountPath: '/a', ...claim }), invalid('opensandbox-bin'))
    row('a size that is none is refused', volumes({ name: 'a', mountPath: '/a', pvc: { claimName: 'c', storage: 'much' } }), answered([400, 422], { json: { code: 'SANDBOX::INVALID_PARAMETER', message: /storage/ } }))
})
