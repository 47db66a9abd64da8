// What needs another server setting (contract rest-api.md §1, §4, §18): each test starts a lifecycle-svc of its own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create_body, EXECD_PORT, idle, PORT } from './lib/peer.mjs'
import { refused_start, start_server } from './lib/server.mjs'
import { rest, until } from './lib/service.mjs'
import { new_sandbox, ours, pause, resume, until_state, will_go } from './lib/sandboxes.mjs'
import { answered, check, refused } from './lib/table.mjs'

let folder
before(() => { folder = mkdtempSync(join(tmpdir(), 'stasis-api.')) })
after(() => rmSync(folder, { recursive: true }))

async function with_server(flags, options, act) {
    const server = await start_server(flags, options)
    try {
        await act((method, path, more) => rest(method, path, { base: server.base, key: server.key, ...more }), server)
    } finally {
        await server.stop()
    }
}

const create = (ask, more, kind = idle) => ask('POST', '/v1/sandboxes', { body: create_body(kind, { ...more, metadata: ours }) })
const goes = { also: ({ json }) => will_go(json.id) }

describe('start-up', { concurrency: 4 }, () => {
    for (const acknowledged of [undefined, '', 'yes', 'YES ', '1'])
        test(`without a key and with OPENSANDBOX_INSECURE_SERVER=${acknowledged} it refuses to start, and says what to do`, async () => {
            const { exit, output } = await refused_start([], acknowledged === undefined ? {} : { OPENSANDBOX_INSECURE_SERVER: acknowledged })
            assert.ok(exit > 0, output)
            assert.match(output, /OPENSANDBOX_INSECURE_SERVER/)
        })
    test('a blank key is none', async () => {
        const { exit } = await refused_start([], { OPENSANDBOX_SERVER_API_KEY: '  ' })
        assert.ok(exit > 0)
    })
    test('without a key, acknowledged with YES, no route asks for one', () =>
        with_server([], { env: { OPENSANDBOX_INSECURE_SERVER: 'YES' } }, async (ask) => check(await ask('GET', '/v1/sandboxes'), answered(200))))
    test('it ends with 0 on SIGTERM', async () => {
        const server = await start_server([])
        assert.equal(await server.stop(), 0)
    })
})

describe('keys', { concurrency: 4 }, () => {
    test('several, named, from a file; one in the environment replaces them', async () => {
        const file = join(folder, 'keys')
        writeFileSync(file, '# ours\nalice alice-key\nbob-key\n', { mode: 0o600 })
        await with_server(['--api-key-file', file], { env: {} }, async (ask) => {
            for (const [key, status] of [['alice-key', 200], ['bob-key', 200], ['alice', 401], ['alice alice-key', 401], ['# ours', 401]])
                check(await ask('GET', '/v1/sandboxes', { key }), answered(status))
        })
        await with_server(['--api-key-file', file], undefined, async (ask) => {
            check(await ask('GET', '/v1/sandboxes'), answered(200))
            check(await ask('GET', '/v1/sandboxes', { key: 'alice-key' }), answered(401))
        })
    })
    test('the file is read again when it changes', async () => {
        const file = join(folder, 'changing')
        writeFileSync(file, 'first\n', { mode: 0o600 })
        await with_server(['--api-key-file', file], { env: {} }, async (ask) => {
            check(await ask('GET', '/v1/sandboxes', { key: 'first' }), answered(200))
            writeFileSync(file, 'second\n')
            await until(() => ask('GET', '/v1/sandboxes', { key: 'second' }), ({ status }) => status === 200, 'the second key is accepted', 15_000)
            check(await ask('GET', '/v1/sandboxes', { key: 'first' }), answered(401))
        })
    })
    test('who asks too often is told when to come back, and others are not', async () => {
        const file = join(folder, 'limited')
        writeFileSync(file, 'a key-a\nb key-b\n', { mode: 0o600 })
        await with_server(['--api-key-file', file, '--api-key-requests-per-second', '1', '--api-key-burst', '2'], { env: {} }, async (ask) => {
            const answers = await Promise.all([1, 2, 3, 4].map(() => ask('GET', '/v1/sandboxes', { key: 'key-a' })))
            const late = answers.find(({ status }) => status === 429)
            check(late, refused(429, 'GENERAL::RATE_LIMITED', [], { headers: { 'retry-after': /^[1-9][0-9]*$/ } }))
            check(await ask('GET', '/v1/sandboxes', { key: 'key-b' }), answered(200))
        })
    })
    test('keys are in no log line', async () =>
        with_server(['--log-level', 'debug'], { env: { OPENSANDBOX_SERVER_API_KEY: 'hush-hush' } }, async (ask, server) => {
            await ask('GET', '/v1/sandboxes')
            await ask('GET', '/v1/sandboxes', { key: 'psst-psst' })
            assert.ok(!/hush-hush|psst-psst/.test(server.output()))
        }))
})

describe('settings', { concurrency: 4 }, () => {
    test('a timeout equal to the cap is allowed, one above is 400', () =>
        with_server(['--max-sandbox-timeout', '120'], undefined, async (ask) => {
            check(await create(ask, { timeout: 120 }), answered(202, goes))
            check(await create(ask, { timeout: 121 }), refused(400, 'SANDBOX::INVALID_PARAMETER', '120'))
        }))
    test('a host path under an allowed folder is mounted, one that merely begins like it is not', () =>
        with_server(['--allowed-host-paths', folder], undefined, async (ask) => {
            writeFileSync(join(folder, 'ping'), 'from the host\n', { mode: 0o644 })
            execFileSync('chmod', ['755', folder])
            const volume = (path) => ({ volumes: [{ name: 'host', mountPath: '/mnt', readOnly: true, host: { path } }] })
            check(await create(ask, volume(`${folder}-other`)), refused(400, 'VOLUME::HOST_PATH_NOT_ALLOWED'))
            const made = await create(ask, volume(folder), { entrypoint: ['httpd', '-f', '-p', String(PORT), '-h', '/mnt'] })
            check(made, answered(202, goes))
            const { endpoint } = (await ask('GET', `/v1/sandboxes/${made.json.id}/endpoints/${PORT}`)).json
            await until(() => rest('GET', '/ping', { base: `http://${endpoint}`, key: null }).catch(() => ({})), ({ text }) => text === 'from the host\n', 'the file of the host is served')
        }))
    test('with an execd image the entrypoint runs under bootstrap.sh, and execd answers, also after a pause', () =>
        with_server(['--execd-image', process.env.STASIS_EXECD_IMAGE], undefined, async (ask) => {
            const made = await create(ask)
            check(made, answered(202, { json: { entrypoint: idle.entrypoint }, ...goes }))
            const { json } = await ask('GET', `/v1/sandboxes/${made.json.id}`)
            assert.deepEqual(json.entrypoint, ['/opt/opensandbox/bootstrap.sh', ...idle.entrypoint])
            const execd_answers = async () => {
                const { endpoint } = (await ask('GET', `/v1/sandboxes/${made.json.id}/endpoints/${EXECD_PORT}`)).json
                await until(() => rest('GET', '/ping', { base: `http://${endpoint}`, key: null }).catch(() => ({})), ({ text }) => text === 'pong\n', 'execd answers')
            }
            await execd_answers()
            await pause(made.json.id)
            await until_state(made.json.id, 'Paused')
            await resume(made.json.id)
            await execd_answers()
        }))
    test('a named volume goes from sandbox to sandbox, and so does a part of it', async () => {
        const volumes = [{ name: 'kept', mountPath: '/kept', pvc: { claimName: `kept-${ours['api-test']}` } }]
        const serve = (what) => ({ entrypoint: ['sh', '-c', `${what}; exec httpd -f -p ${PORT} -h /kept`] })
        const read = async (id) => {
            const { endpoint } = (await rest('GET', `/v1/sandboxes/${id}/endpoints/${PORT}`)).json
            return until(() => rest('GET', '/file', { base: `http://${endpoint}`, key: null }).catch(() => ({})), ({ status }) => status === 200, 'the file is served')
        }
        const first = await new_sandbox({ volumes }, serve('echo from the first >/kept/file'))
        assert.equal((await read(first)).text, 'from the first\n')
        check(await rest('DELETE', `/v1/sandboxes/${first}`), answered(204, { empty: true }))
        assert.equal((await read(await new_sandbox({ volumes }, serve('true')))).text, 'from the first\n')
        const part = [{ ...volumes[0], subPath: 'deep/part' }]
        assert.equal((await read(await new_sandbox({ volumes: part }, serve('echo in its part >/kept/file')))).text, 'in its part\n')
        assert.equal((await read(await new_sandbox({ volumes }, serve('cp /kept/deep/part/file /kept/file')))).text, 'in its part\n')
    })
    test("what an operator's template says of sandboxes is there", async () => {
        const file = join(folder, 'template.yaml')
        writeFileSync(file, `metadata:\n  labels: {team: red}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n`)
        await with_server(['--sandbox-template-file', file], undefined, async (ask) => {
            const made = await create(ask)
            check(made, answered(202, goes))
            check(await ask('GET', `/v1/sandboxes/${made.json.id}`), answered(200, { json: { metadata: { team: 'red' } } }))
        })
    })
    test('the proxy names the configured address', () =>
        with_server(['--eip', 'https://sandboxes.example/base/'], undefined, async (ask) => {
            const made = await create(ask)
            check(made, answered(202, goes))
            check(await ask('GET', `/v1/sandboxes/${made.json.id}/endpoints/80?use_server_proxy=true`), answered(200, { json: { endpoint: `sandboxes.example/base/sandboxes/${made.json.id}/proxy/80` } }))
        }))
    test('a create that takes too long is 504, and nothing is left', () =>
        with_server(['--sandbox-create-timeout', '100ms'], undefined, async (ask) => {
            const mark = { 'too-slow': 'yes', ...ours }
            const answer = await ask('POST', '/v1/sandboxes', { body: create_body(idle, { metadata: mark }) })
            check(answer, refused(504, 'KUBERNETES::POD_READY_TIMEOUT'))
            const filter = encodeURIComponent(`too-slow=yes&api-test=${ours['api-test']}`)
            await until(() => ask('GET', `/v1/sandboxes?metadata=${filter}`), ({ json }) => json.items.length === 0, 'none is left')
        }))
    test('speaks TLS, to the SDK too', async () => {
        execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=stasis',
            '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')], { stdio: 'ignore' })
        const ca = readFileSync(join(folder, 'tls.crt'))
        await with_server(['--rest-tls-dir', folder], { ca, env: { OPENSANDBOX_SERVER_API_KEY: 'own-key' } }, async (ask, { base }) => {
            check(await ask('GET', '/v1/sandboxes?pageSize=1', { ca }), answered(200))
            await assert.rejects(rest('GET', '/health', { base: base.replace('https', 'http'), key: null }))
        })
    })
})
