/** Several commands at once; the first answer ends the others, in the sandbox too. */
import { Sandbox } from '@kata-ts/sdk'

await using box = await Sandbox.attach(process.argv[2] ?? 'shared')
const race = new AbortController()
const slow = box.exec(['sleep', '1000'], { signal: race.signal })
const fast = box.exec(['echo', 'first'])
console.log((await Promise.race([slow, fast])).text.trim())
race.abort(new Error('too late'))
console.log(await slow.catch((error: Error) => error.message))
const { text } = await box.exec(['sh', '-c', 'ps | grep "sleep 100[0]" | wc -l'])
console.log('still running:', text.trim())
