// reporter.mjs - what node's test runner tells, in CMocka's words: tests/run.sh counts those.
const RULE = '    '

function isCase(data) { return data.details?.type !== 'suite' }

// Without the lines that lead through node and the clients: ours say enough.
function indent(text) {
    const lines = text.split('\n').filter((line) => !/^\s+at .*(node:|node_modules)/.test(line))
    return lines.map((line) => RULE + line).join('\n')
}

export default async function* report(events) {
    const failed = [], suites = []
    let passed = 0, skipped = 0
    for await (const { type, data } of events) {
        if (type === 'test:stdout' || type === 'test:stderr') yield data.message
        if (type === 'test:start') suites.splice(data.nesting, Infinity, data.name)
        if (type !== 'test:pass' && type !== 'test:fail') continue
        const sentence = [...suites.slice(0, data.nesting), data.name].join(': ')
        if (type === 'test:fail' && (isCase(data) || data.details.error?.failureType !== 'subtestsFailed')) {
            failed.push(sentence)
            const error = data.details.error
            yield `[  FAILED  ] ${sentence}\n${indent(String(error?.cause?.stack ?? error?.cause ?? error))}\n`
        } else if (!isCase(data)) {
            continue
        } else if (data.skip !== undefined || data.todo !== undefined) {
            skipped++
            yield `[  SKIPPED ] ${sentence}\n`
        } else {
            passed++
            yield `[       OK ] ${sentence} (${Math.round(data.details.duration_ms)} ms)\n`
        }
    }
    yield `[==========] ${passed + failed.length} test(s) run.\n[  PASSED  ] ${passed} test(s).\n`
    if (skipped > 0) yield `[  SKIPPED ] api: ${skipped} test(s), listed below:\n`
    if (failed.length > 0) yield `[  FAILED  ] api: ${failed.length} test(s), listed below:\n${failed.map((name) => `[  FAILED  ] ${name}\n`).join('')}`
}
