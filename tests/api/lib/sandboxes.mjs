// sandboxes.mjs - sandboxes of one test file; they go when the file ends.
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { create_body, idle } from './peer.mjs'
import { rest, run, until } from './service.mjs'

const made = new Set(), snapshots = new Set()
after(async () => {
    await Promise.all([...made].map((id) => rest('DELETE', `/v1/sandboxes/${id}`)))
    await Promise.all([...snapshots].map((id) => rest('DELETE', `/v1/snapshots/${id}`)))
})

export function will_go(id) { made.add(id); return id }
export function snapshot_will_go(id) { snapshots.add(id); return id }

// What every sandbox of this run carries, so that a list can leave out all others.
export const ours = { 'api-test': run }

// The id of a running sandbox.
export async function new_sandbox(more = {}, kind = idle) {
    const answer = await rest('POST', '/v1/sandboxes', { body: create_body(kind, { ...more, metadata: { ...ours, ...more.metadata } }) })
    assert.equal(answer.status, 202, answer.text)
    return will_go(answer.json.id)
}

export const look_at = async (id) => (await rest('GET', `/v1/sandboxes/${id}`)).json

export function until_state(id, state) { return until(() => look_at(id), (sandbox) => sandbox.status?.state === state, `${id} is ${state}`) }

export async function pause(id, options) {
    const answer = await rest('POST', `/v1/sandboxes/${id}/pause`, options)
    assert.equal(answer.status, 202, answer.text)
}

export async function resume(id, options) {
    const answer = await rest('POST', `/v1/sandboxes/${id}/resume`, options)
    assert.equal(answer.status, 202, answer.text)
}

export async function new_paused_sandbox(more) {
    const id = await new_sandbox(more)
    await pause(id)
    await until_state(id, 'Paused')
    return id
}

export async function new_snapshot(sandbox, body = {}) {
    const answer = await rest('POST', `/v1/sandboxes/${sandbox}/snapshots`, { body })
    assert.equal(answer.status, 202, answer.text)
    return snapshot_will_go(answer.json.id)
}

export function until_snapshot(id, state) {
    return until(async () => (await rest('GET', `/v1/snapshots/${id}`)).json, (snapshot) => snapshot.status?.state === state, `snapshot ${id} is ${state}`)
}
