// grpc.mjs - grpc-js on the .proto files of the tree.
import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { join } from 'node:path'
import { service } from './service.mjs'

const OPTIONS = { keepCase: true, longs: String, defaults: false, arrays: true, objects: true, enums: String, includeDirs: [join(import.meta.dirname, '..', 'proto')] }
const definitions = loadSync(['opensandbox/lifecycle/v1/lifecycle.proto', 'grpc/health/v1/health.proto', 'google/rpc/status.proto', 'google/rpc/error_details.proto'], OPTIONS)
const api = grpc.loadPackageDefinition(definitions)

export const { status } = grpc
const credentials = service.ca ? grpc.credentials.createSsl(service.ca) : grpc.credentials.createInsecure()
const options = service.grpcServerName ? { 'grpc.ssl_target_name_override': service.grpcServerName } : {}
export const lifecycle = new api.opensandbox.lifecycle.v1.Lifecycle(service.grpcAddress, credentials, options)
const prober = new api.grpc.health.v1.Health(service.grpcAddress, credentials, options)

export function close() {
    lifecycle.close()
    prober.close()
}

function metadata_of(key) {
    const metadata = new grpc.Metadata()
    if (key) metadata.set('open-sandbox-api-key', key)
    return metadata
}

const deadline_in = (ms) => ({ deadline: Date.now() + ms })

// One call with the right key; rejects with grpc-js's ServiceError.
export function call(method, request, { key = service.key, deadline_ms = 60_000 } = {}) {
    return new Promise((resolve, reject) =>
        lifecycle[method](request, metadata_of(key), deadline_in(deadline_ms), (error, answer) => (error ? reject(error) : resolve(answer))))
}

// The first event that `isWanted`. Rejects when the stream ends before.
export function watch(id, isWanted, { deadline_ms = 60_000, onFirst = () => {}, method = 'WatchSandbox' } = {}) {
    return new Promise((resolve, reject) => {
        const stream = lifecycle[method]({ id }, metadata_of(service.key), deadline_in(deadline_ms))
        let first = true
        stream.on('error', reject)
        stream.on('end', () => reject(new Error('the watch ended without a status')))
        stream.on('data', (event) => {
            if (first) onFirst()
            first = false
            if (!isWanted(event)) return
            resolve(event)
            stream.cancel() // what it then says is of no interest: the promise has its value
        })
    })
}

export const watch_snapshot = (id, isWanted, options) => watch(id, isWanted, { ...options, method: 'WatchSnapshot' })

export function health(name) {
    return new Promise((resolve, reject) => prober.Check({ service: name }, deadline_in(10_000), (error, answer) => (error ? reject(error) : resolve(answer))))
}

// The google.rpc.ErrorInfo in grpc-status-details-bin; an empty object when there is none.
export function ErrorInfo_of(error) {
    const [bytes] = error.metadata.get('grpc-status-details-bin')
    if (!bytes) return {}
    const decoded = definitions['google.rpc.Status'].deserialize(bytes)
    const info = decoded.details.find((any) => any['@type']?.endsWith('google.rpc.ErrorInfo') || any.type_url?.endsWith('google.rpc.ErrorInfo'))
    return info?.value ? definitions['google.rpc.ErrorInfo'].deserialize(info.value) : info ?? {}
}
