// server.mjs - another lifecycle-svc on the same stack, with flags of its own. Only where its binary is (STASIS_BIN).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { rest, until } from './service.mjs'

const { STASIS_BIN, STASIS_STACK } = process.env

async function free_port() {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address()
    server.close()
    await once(server, 'close')
    return port
}

// { base, key, stop() } of a server that answers /health. `options.env` replaces what is set of keys.
export async function start_server(flags, { env = { OPENSANDBOX_SERVER_API_KEY: 'own-key' }, ca } = {}) {
    const port = await free_port()
    const { child, closed, output } = launch(port, flags, env)
    const base = `${ca ? 'https' : 'http'}://127.0.0.1:${port}`
    const answers = async () => {
        if (child.exitCode !== null) throw new Error(`lifecycle-svc ended: ${output()}`)
        return rest('GET', '/health', { base, key: null, ca }).catch(() => ({}))
    }
    await until(answers, ({ status }) => status === 200, `lifecycle-svc ${flags.join(' ')} answers`, 20_000)
    return {
        base, key: env.OPENSANDBOX_SERVER_API_KEY ?? '', output,
        stop: async () => {
            child.kill('SIGTERM')
            await closed
            return child.exitCode
        },
    }
}

// What a server says that refuses to start: { exit, output }.
export async function refused_start(flags, env) {
    const { child, closed, output } = launch(await free_port(), flags, env)
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await closed
    clearTimeout(timer)
    return { exit: child.exitCode, output: output() }
}

function launch(port, flags, env) {
    const { OPENSANDBOX_SERVER_API_KEY: _, OPENSANDBOX_INSECURE_SERVER: __, ...rest_of_env } = process.env
    const child = spawn(`${STASIS_BIN}/lifecycle-svc`,
        ['--address', `127.0.0.1:${port}`, '--grpc-address', '', '--orchestrator-address', `unix:${STASIS_STACK}/run/snapshot.sock`, '--log-format', 'human', ...flags],
        { env: { ...rest_of_env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part))
    return { child, closed: once(child, 'close'), output: () => text } // closed: it has ended, and all that it said is read
}
