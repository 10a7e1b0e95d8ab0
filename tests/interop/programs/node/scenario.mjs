// What the Node programs share: ADDRESS PREFIX [TEST]; one JSON line per test.
export const [address, prefix, only = ''] = process.argv.slice(2)

export async function run(tests) {
  let failed = 0
  for (const test of tests) {
    if (!test.name.includes(only)) continue
    const began = Date.now()
    let outcome = 'passed', detail = ''
    try {
      await limit(test(`${prefix}-${test.name}`), 60000, test.name)
    } catch (error) {
      outcome = 'failed'
      detail = `${error.stack || error}\n${error.errors ? error.errors.map(String).join('; ') : ''}`.slice(0, 1500)
      failed++
    }
    console.log(`{"test": ${JSON.stringify(test.name)}, ` + JSON.stringify({ outcome, seconds: (Date.now() - began) / 1000, detail }).slice(1))
  }
  process.exit(failed ? 1 : 0)
}

function limit(promise, ms, what) {
  return Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error(`${what}: not within ${ms} ms`)), ms).unref())])
}

export function expect(actual, wanted, what) {
  const a = JSON.stringify(actual), w = JSON.stringify(wanted)
  if (a !== w) throw new Error(`${what}: expected ${w.slice(0, 300)}, got ${a.slice(0, 300)}`)
}

export async function until(check, what, ms = 30000) {
  const end = Date.now() + ms
  while (Date.now() < end) {
    if (await check()) return
    await new Promise(r => setTimeout(r, 100))
  }
  throw new Error(`not within ${ms} ms: ${what}`)
}
